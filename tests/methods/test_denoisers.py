"""The denoisers: common properties, and the blocks of each against their definitions."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from benchmark.core.flops import flop_counter
from methods.networks import transformer
from methods.networks.blocks import AdaptiveNorm, UShape
from methods.networks.denoisers import DENOISERS, build
from methods.networks.nafnet import NAFBlock, NAFNet
from methods.networks.transformer import Transformer, WindowAttention
from methods.networks.unet import Modulation, ResidualBlock, UNet

TINY = {
    "unet": {"width": 8, "multipliers": (1, 2)},
    "nafnet": {"width": 8, "encoder": (1,), "middle": 1, "decoder": (1,)},
    "transformer": {"width": 8, "encoder": (2,), "middle": 2, "decoder": (1,)},
    "restormer": {"width": 8, "blocks": (1, 1), "heads": (1, 2), "refinement": 1},
}
EACH = pytest.mark.parametrize(
    "options",
    [{"name": name} for name in DENOISERS] + [{"name": "unet", "conditioning": "modulation"}],
    ids=lambda options: "-".join(options.values()),
)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def tiny(name, conditioning="concatenation", time=True, in_channels=6):
    """A small denoiser without zero weights, as after training."""
    network = build(name, "small", in_channels, time, conditioning, **TINY[name])
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return network.eval()


@EACH
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 5), (16, 16), (33, 18)])
def test_any_size(options, size):
    out = tiny(**options)(torch.rand(2, 6, *size), torch.rand(2))
    assert out.shape == (2, 3, *size)
    assert out.isfinite().all()


@EACH
@pytest.mark.parametrize("time", [True, False])
def test_untrained_returns_zeros(options, time):
    network = build(**options, size="small", in_channels=6, time=time)
    assert (network(torch.rand(1, 6, 20, 20), torch.ones(1) if time else None) == 0).all()


@EACH
def test_time_changes_the_answer(options):
    network, x = tiny(**options), torch.rand(2, 6, 16, 16)
    assert not torch.allclose(network(x, torch.tensor([0.1, 0.1])), network(x, torch.ones(2)))


@EACH
def test_images_of_a_batch_do_not_see_each_other(options):
    network, x, t = tiny(**options), torch.rand(3, 6, 20, 20), torch.rand(3)
    alone = torch.cat([network(x[i : i + 1], t[i : i + 1]) for i in range(3)])
    assert torch.allclose(network(x, t), alone, atol=1e-5)


@EACH
def test_memory_format_changes_nothing(options):
    network, x, t = tiny(**options), torch.rand(2, 6, 24, 24), torch.rand(2)
    before = network(x, t)
    network, x = (part.to(memory_format=torch.channels_last) for part in (network, x))
    assert torch.allclose(network(x, t), before, atol=1e-5)


@EACH
@pytest.mark.parametrize("time", [True, False])
def test_every_parameter_learns(options, time):
    network = tiny(**options, time=time)
    network(torch.rand(2, 6, 24, 24), torch.rand(2) if time else None).square().mean().backward()
    without = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


@EACH
def test_learns_a_pair(options):
    network = build(**options, size="small", in_channels=6, time=True, **TINY[options["name"]])
    condition, noise, t = torch.rand(2, 3, 16, 16), torch.randn(2, 3, 16, 16), torch.ones(2)
    target = 2 * condition - 1
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(50):
        loss = (network(torch.cat([condition, noise], dim=1), t) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.2 * target.square().mean()


# Full sizes as in config/gpu.yaml: as a regression, and with time and condition.
MILLIONS = {
    "unet": (80.2, 86.3),
    "nafnet": (71.7, 85.8),
    "transformer": (59.7, 79.4),
    "restormer": (26.1, 32.0),
}


@pytest.mark.parametrize("name", DENOISERS)
@pytest.mark.parametrize("time", [True, False])
def test_full_size_has_the_stated_number_of_parameters(name, time):
    in_channels = 6 if time else 3
    with torch.device("meta"):
        network = build(name, "full", in_channels, time)
        out = network(torch.rand(1, in_channels, 70, 64), torch.rand(1) if time else None)
    assert out.shape == (1, 3, 70, 64)
    millions = sum(p.numel() for p in network.parameters()) / 1e6
    assert millions == pytest.approx(MILLIONS[name][time], abs=0.05)
    if time and name != "restormer":
        assert 75 < millions < 90


@pytest.mark.parametrize(
    ("name", "gflop"), [("unet", 278), ("nafnet", 107), ("transformer", 88), ("restormer", 310)]
)
def test_full_size_has_the_stated_flops(name, gflop):
    """The values in docs/cluster.md, for 256×256 pixels, with a time and a condition."""
    with torch.device("meta"), torch.no_grad(), flop_counter() as counter:
        build(name, "full", 6, True)(torch.rand(1, 6, 256, 256), torch.rand(1))
    assert round(counter.get_total_flops() / 1e9) == gflop


@pytest.mark.parametrize("name", DENOISERS)
def test_full_size_takes_a_step(name):
    network = build(name, "full", 6, True).train()
    condition, noise, t = torch.rand(1, 3, 16, 16), torch.randn(1, 3, 16, 16), torch.ones(1)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-2)
    losses = []
    for _ in range(2):
        loss = (network(torch.cat([condition, noise], dim=1), t) - condition).square().mean()
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert np.isfinite(losses).all()
    assert losses[1] < losses[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nafnett", "small", 3, False), "unknown denoiser 'nafnett'. Did you mean 'nafnet'"),
        (("unet", "smal", 3, False), "unknown size 'smal'. Did you mean 'small'"),
        (("unet", "small", 6, True, "modulated"), "'modulated'. Did you mean 'modulation'"),
        (("nafnet", "small", 6, True, "modulation"), "made for 'unet', not for 'nafnet'"),
        (("transformer", "full", 6, True, "modulation"), "not for 'transformer'"),
        (("restormer", "small", 6, True, "modulation"), "not for 'restormer'"),
        (("unet", "small", 3, False, "modulation"), "modulation needs channels beside"),
    ],
)
def test_impossible_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message.replace(".", r"\.")):
        build(*arguments)


def test_an_unknown_conditioning_is_refused_by_the_unet_too():
    with pytest.raises(ValueError, match="'modulate'"):
        UNet(in_channels=6, conditioning="modulate")


def test_overrides_replace_settings():
    assert build("nafnet", "small", 3, False, middle=7).middle[6] is not None
    with pytest.raises(TypeError, match="multipliers"):
        build("nafnet", "small", 3, False, multipliers=(1, 2))


# --- conditioning by modulation ---


def test_modulation_takes_the_condition_from_the_first_three_channels():
    """With modulation weights of 0 the output depends on x_t and not on the condition."""
    network, x, t = tiny("unet", "modulation"), torch.rand(1, 6, 16, 16), torch.ones(1)
    other_condition, other_image = x.clone(), x.clone()
    other_condition[:, :3] += 0.5
    other_image[:, 3:] += 0.5
    assert not torch.allclose(network(x, t), network(other_condition, t), atol=1e-4)
    assert not torch.allclose(network(x, t), network(other_image, t), atol=1e-4)
    for module in network.modules():
        if isinstance(module, Modulation):
            torch.nn.init.zeros_(module.scale_shift.weight)
    assert torch.equal(network(x, t), network(other_condition, t))
    assert not torch.allclose(network(x, t), network(other_image, t), atol=1e-4)


def test_modulated_block_equals_its_definition():
    """conv(ReLU((1 + γ) h + β)) twice, with γ and β a 1×1 convolution of the features."""
    block = ResidualBlock(8, 8, None, features=4)
    torch.nn.init.normal_(block.conv2.weight, std=0.1)
    x, features = torch.randn(2, 8, 5, 6), torch.randn(2, 4, 5, 6)
    h = x
    for conv, modulate in (
        (block.conv1, block.modulate1.scale_shift),
        (block.conv2, block.modulate2.scale_shift),
    ):
        weight, bias = modulate.weight[:, :, 0, 0], modulate.bias[:, None, None]
        gamma_beta = torch.einsum("of,bfhw->bohw", weight, features) + bias
        h = conv(F.relu((1 + gamma_beta[:, :8]) * h + gamma_beta[:, 8:]))
    assert torch.allclose(block(x, None, features), x + h, atol=1e-5)


def test_modulation_is_local():
    """Without attention, a change of the condition in one corner does not change the far corner."""
    network = UNet(
        6, width=8, multipliers=(1,), blocks=1, attention=False, conditioning="modulation"
    )
    for module in network.modules():  # the statistics of a group depend on the whole image
        if isinstance(module, torch.nn.GroupNorm):
            module.forward = lambda x: x
    for parameter in network.parameters():  # some start at zero
        torch.nn.init.normal_(parameter, std=0.1)
    x = torch.rand(1, 6, 64, 64)
    other = x.clone()
    other[:, :3, :4, :4] += 0.5
    difference = (network(x) - network(other)).abs().amax(dim=1)[0]
    assert difference[:4, :4].max() > 1e-4
    assert difference[32:, 32:].max() == 0


# --- NAFNet ---


def test_naf_block_equals_the_papers_equations():
    """Chen et al. (2022), figure 3c, equations 4 and 6, in float64 numpy."""
    block = NAFBlock(4, embedding=5).double()
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    p = {name: value.detach().numpy() for name, value in block.named_parameters()}
    x, e = torch.randn(2, 4, 5, 6).double(), torch.randn(2, 5).double()

    def norm(x, name):
        centred = x - x.mean(axis=1, keepdims=True)
        x = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-6)
        x = x * p[f"{name}.norm.weight"][:, None, None] + p[f"{name}.norm.bias"][:, None, None]
        silu = e.numpy() / (1 + np.exp(-e.numpy()))
        time = silu @ p[f"{name}.modulation.weight"].T + p[f"{name}.modulation.bias"]
        return x * (1 + time[:, :4, None, None]) + time[:, 4:, None, None]

    def pointwise(x, name):
        weight, bias = p[f"{name}.weight"][:, :, 0, 0], p[f"{name}.bias"]
        return np.einsum("oi,bihw->bohw", weight, x) + bias[:, None, None]

    def depthwise(x):
        padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        weight, out = p["depthwise.weight"], np.zeros_like(x)
        for i in range(3):
            for j in range(3):
                out += weight[:, 0, i, j][:, None, None] * padded[:, :, i : i + 5, j : j + 6]
        return out + p["depthwise.bias"][:, None, None]

    inputs = x.numpy()
    h = depthwise(pointwise(norm(inputs, "norm1"), "expand1"))
    h = h[:, :4] * h[:, 4:]
    h = h * pointwise(h.mean(axis=(2, 3), keepdims=True), "attention")
    y = inputs + p["beta"] * pointwise(h, "project1")
    h = pointwise(norm(y, "norm2"), "expand2")
    y = y + p["gamma"] * pointwise(h[:, :4] * h[:, 4:], "project2")
    np.testing.assert_allclose(block(x, e).detach().numpy(), y, atol=1e-10)


def test_time_has_no_effect_before_training():
    norm = AdaptiveNorm(4, embedding=6)
    x = torch.randn(2, 4, 3, 3)
    expected = F.layer_norm(x.permute(0, 2, 3, 1), (4,), eps=1e-6).permute(0, 3, 1, 2)
    assert torch.allclose(norm(x, torch.randn(2, 6)), expected, atol=1e-6)


@pytest.mark.parametrize(("width", "millions"), [(32, 29.16), (64, 115.9)])
def test_nafnet_has_the_published_number_of_parameters(width, millions):
    """For denoising, by the authors and a user: megvii-research/NAFNet issues 60 and 51."""
    with torch.device("meta"):
        network = NAFNet(
            width=width, encoder=(2, 2, 4, 8), middle=12, decoder=(2, 2, 2, 2), unshuffle=1
        )
    count = sum(p.numel() for p in network.parameters()) / 1e6
    assert count == pytest.approx(millions, abs=0.1 if width == 64 else 0.005)


# --- Transformer ---


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("size", [(8, 8), (16, 24), (13, 5), (3, 18)])
def test_window_attention_equals_its_definition(size, shifted):
    """For each position: softmax(q k' / √d) v over the 64 places of its window.

    Places outside the image have the position's part of the key alone, and the value 0.
    """
    attention = WindowAttention(64, shifted)  # two heads of 32
    torch.nn.init.normal_(attention.position)
    x = torch.randn(1, 64, *size)
    q, k, v = attention.qkv(x)[0].unflatten(0, (3, 2, 32)).unbind(0)
    position_q, position_k = attention.position
    up, left = (4 if shifted and side > 8 else 0 for side in size)
    expected = torch.zeros(1, 64, *size)
    for row in range(size[0]):
        for column in range(size[1]):
            top, start = (row + up) // 8 * 8 - up, (column + left) // 8 * 8 - left
            keys, values = position_k.clone(), torch.zeros(2, 64, 32)
            for place in range(64):
                i, j = top + place // 8, start + place % 8
                if 0 <= i < size[0] and 0 <= j < size[1]:
                    keys[:, place] += k[:, :, i, j]
                    values[:, place] = v[:, :, i, j]
            place = (row - top) * 8 + column - start
            query = q[:, :, row, column] + position_q[:, place]
            weights = torch.softmax(torch.einsum("hd,hpd->hp", query, keys) / 32**0.5, dim=1)
            mixed = torch.einsum("hp,hpd->hd", weights, values)
            expected[0, :, row, column] = mixed.flatten()
    assert torch.allclose(attention(x), attention.out(expected), atol=1e-4)


def test_in_bfloat16_on_a_processor_windows_attend_by_products_with_the_same_result(monkeypatch):
    inputs = [torch.randn(4, 2, 64, 32, requires_grad=True) for _ in range(3)]
    expected = transformer.attend(*inputs)
    gradients = torch.autograd.grad(expected.sum(), inputs)
    monkeypatch.delattr(transformer.F, "scaled_dot_product_attention")
    with torch.autocast("cpu", torch.bfloat16):
        found = transformer.attend(*inputs)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, atol=0.02, rtol=0.02)
    for one, other in zip(torch.autograd.grad(found.sum(), inputs), gradients, strict=True):
        torch.testing.assert_close(one, other, atol=0.05, rtol=0.02)
    with pytest.raises(AttributeError, match="scaled_dot_product_attention"):
        transformer.attend(*inputs)


def test_only_shifted_windows_cross_the_borders_of_others():
    x = torch.randn(1, 8, 16, 16)
    other = x.clone()
    other[..., 8:] += 1
    for shifted in (False, True):
        attention = WindowAttention(8, shifted)
        same = torch.allclose(attention(x)[..., :8], attention(other)[..., :8])
        assert same is not shifted


def test_windows_return_to_their_places():
    attention = WindowAttention(64)
    x = torch.randn(2, 3 * 64, 16, 24)
    for part, windows in zip(x.chunk(3, dim=1), attention.to_windows(x), strict=True):
        assert torch.equal(attention.from_windows(windows, 16, 24), part)


# --- the U-shape ---


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="as many levels"):
        NAFNet(encoder=(1, 1), decoder=(1,))
    with pytest.raises(ValueError, match="multiple of 32, not 40"):
        Transformer(width=40)
    with pytest.raises(ValueError, match="multipliers: name at least one"):
        UNet(multipliers=())
    with pytest.raises(ValueError, match="7 channels are not a multiple of 4 heads"):
        UNet(width=7, multipliers=(1,))


def test_u_shape_adds_its_skips_level_by_level():
    """With blocks that multiply by 2, the network is a composition of a few functions."""

    class Double(torch.nn.Module):
        def forward(self, x, embedding):
            return 2 * x

    net = UShape(lambda *_: Double(), 3, 3, 4, (1, 2), 1, (2, 1), time=False, unshuffle=1)
    torch.nn.init.normal_(net.leave.weight)
    x = torch.rand(1, 3, 8, 12)
    first = 2 * net.enter(x)
    second = 4 * net.shrink[0](first)
    deepest = 2 * net.shrink[1](second)
    h = 2 * (F.pixel_shuffle(net.grow[1](deepest), 2) + second)
    h = 4 * (F.pixel_shuffle(net.grow[0](h), 2) + first)
    assert torch.allclose(net(x), net.leave(h), atol=1e-5)
