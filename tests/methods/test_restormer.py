"""Restormer: its blocks against their definitions, its structure and size against the paper's.

What it shares with the other denoisers is tested in test_denoisers.py.
"""

import pytest
import torch
from scipy.special import erf

from methods.networks.denoisers import build
from methods.networks.restormer import GatedFeedForward, Restormer, TransposedAttention

DOUBLE = torch.float64


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def pointwise(layer, x):
    return torch.einsum("oi,bihw->bohw", layer.weight[:, :, 0, 0], x)


def depthwise(layer, x):
    """A 3×3 convolution of each channel alone, zero outside, as a sum of nine shifted images."""
    height, width = x.shape[-2:]
    padded = torch.zeros(*x.shape[:2], height + 2, width + 2, dtype=x.dtype)
    padded[..., 1:-1, 1:-1] = x
    return sum(
        layer.weight[:, 0, i, j, None, None] * padded[..., i : i + height, j : j + width]
        for i in range(3)
        for j in range(3)
    )


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_transposed_attention_equals_its_definition(heads):
    """Channel i of a head becomes Σ_j softmax_j(s q_i·k_j / |q_i||k_j|) v_j."""
    attention = TransposedAttention(8, heads).to(DOUBLE)
    torch.nn.init.uniform_(attention.scale, 0.5, 5)
    x = torch.randn(2, 8, 5, 6, dtype=DOUBLE)
    q, k, v = depthwise(attention.depthwise, pointwise(attention.qkv, x)).chunk(3, dim=1)
    mixed = torch.zeros_like(v)
    size = 8 // heads
    for head in range(heads):
        own = range(head * size, (head + 1) * size)
        for i in own:
            dots = torch.einsum("bhw,bjhw->bj", q[:, i], k[:, own])
            norms = q[:, i].square().sum((1, 2)).sqrt()[:, None]
            cosines = dots / (norms * k[:, own].square().sum((2, 3)).sqrt())
            weights = (attention.scale[head] * cosines).exp()
            weights = weights / weights.sum(dim=1, keepdim=True)
            mixed[:, i] = torch.einsum("bj,bjhw->bhw", weights, v[:, own])
    assert torch.allclose(attention(x), pointwise(attention.project, mixed), atol=1e-10)


def test_gated_feed_forward_equals_its_definition():
    """GELU(a) b, with GELU(a) = a Φ(a)."""
    part = GatedFeedForward(4, hidden=6).to(DOUBLE)
    x = torch.randn(2, 4, 5, 6, dtype=DOUBLE)
    h = depthwise(part.depthwise, pointwise(part.expand, x)).detach()
    gate, value = h[:, :6], h[:, 6:]
    gelu = gate * 0.5 * (1 + torch.from_numpy(erf(gate.numpy() / 2**0.5)))
    assert torch.allclose(part(x), pointwise(part.project, gelu * value), atol=1e-10)


def test_has_the_published_number_of_parameters():
    """26.1 million: the sum of all terms of the published structure, without a time."""

    def block(c, heads):
        hidden = int(2.66 * c)
        norms = 4 * c
        attention = c * 3 * c + 9 * 3 * c + heads + c * c
        return norms + attention + c * 2 * hidden + 9 * 2 * hidden + hidden * c

    encoder = 4 * block(48, 1) + 6 * block(96, 2) + 6 * block(192, 4) + 8 * block(384, 8)
    decoder = 6 * block(192, 4) + 6 * block(96, 2) + (4 + 4) * block(96, 1)
    resampling = sum(9 * c * c // 2 + 9 * 2 * c * 4 * c for c in (48, 96, 192))
    reduction = 2 * 96 * 96 + 2 * 192 * 192
    ends = 9 * 3 * 48 + 9 * 96 * 3
    with torch.device("meta"):
        count = sum(p.numel() for p in build("restormer", "full", 3, False).parameters())
    assert count == encoder + decoder + resampling + reduction + ends
    assert round(count / 1e6, 1) == 26.1


def test_structure_is_the_published_one():
    """Three levels without blocks are a composition of a few functions."""
    net = Restormer(width=4, blocks=(0, 0, 0), heads=(1, 1, 1), refinement=0)
    torch.nn.init.normal_(net.leave.weight)
    x = torch.rand(1, 3, 8, 12)
    first = net.enter(x)
    second = net.shrink[0](first)
    third = net.shrink[1](second)
    assert [tuple(h.shape[1:]) for h in (first, second, third)] == [
        (4, 8, 12),
        (8, 4, 6),
        (16, 2, 3),
    ]
    h = net.reduce[1](torch.cat([net.grow[1](third), second], dim=1))
    assert h.shape == (1, 8, 4, 6)
    h = torch.cat([net.grow[0](h), first], dim=1)  # no reduction at the finest level
    assert torch.allclose(net(x), net.leave(h), atol=1e-6)


def test_each_level_has_its_number_of_blocks_and_heads():
    net = Restormer(width=8, blocks=(1, 2, 3), heads=(1, 2, 4), refinement=5)

    def heads_and_channels(level):
        return [(b.attention.heads, b.attention.project.in_channels) for b in level]

    assert [heads_and_channels(level) for level in net.down] == [
        [(1, 8)], [(2, 16)] * 2, [(4, 32)] * 3,
    ]  # fmt: skip
    assert [heads_and_channels(level) for level in net.up] == [[(1, 16)], [(2, 16)] * 2]
    assert heads_and_channels(net.refine) == [(1, 16)] * 5


def test_attention_sees_the_whole_image():
    """A change in one corner changes the far one, through statistics only."""
    attention, x = TransposedAttention(4, 1).to(DOUBLE), torch.randn(1, 4, 32, 32, dtype=DOUBLE)
    other = x.clone()
    other[..., :4, :4] += 1
    assert (attention(x) - attention(other))[..., 16:, 16:].abs().min() > 0


def test_a_zero_image_has_finite_output_and_gradients():
    """For zero features the cosines of attention are 0 / 0."""
    net = Restormer(width=8, blocks=(1, 1), heads=(1, 2), refinement=1)
    torch.nn.init.normal_(net.leave.weight)
    out = net(torch.zeros(1, 3, 8, 8))
    out.square().sum().backward()
    assert out.isfinite().all()
    assert all(p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"blocks": (1, 1)}, "as many levels"),
        ({"width": 7}, "width must be even, not 7"),
        ({"width": 6, "heads": (1, 5, 1, 1)}, "12 channels cannot be shared by 5 heads"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Restormer(**options)
