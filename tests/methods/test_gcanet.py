"""GCANet: its size, equations and edges are those of the paper and of the authors' file."""

import pytest
import torch
from torch.nn import functional as F

from benchmark.spec import given_weights
from benchmark.spec.run_config import WeightFile
from methods.gcanet import DILATIONS, GatedNetwork, GCANet, edges


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def authors_state():
    """Random weights with the names and shapes of the authors' file."""
    shapes = {"conv1.weight": (64, 4, 3, 3), "conv2.weight": (64, 64, 3, 3)}
    shapes |= {"conv3.weight": (64, 64, 3, 3), "deconv3.weight": (64, 64, 4, 4)}
    shapes |= {"deconv2.weight": (64, 64, 3, 3), "deconv1.weight": (3, 64, 1, 1)}
    shapes |= {"gate.weight": (3, 192, 3, 3), "gate.bias": (3,)}
    shapes |= {"deconv3.bias": (64,), "deconv2.bias": (64,), "deconv1.bias": (3,)}
    for k, dilation in enumerate(DILATIONS, 1):
        for n in (1, 2):
            shapes[f"res{k}.conv{n}.weight"] = (64, 64, 3, 3)
            if dilation > 1:
                side = 2 * dilation - 1
                shapes[f"res{k}.pre_conv{n}.weight"] = (1, 1, side, side)
    norms = [f"norm{k}" for k in range(1, 6)]
    norms += [f"res{k}.norm{n}" for k in range(1, 8) for n in (1, 2)]
    shapes |= {f"{norm}.{leaf}": (64,) for norm in norms for leaf in ("weight", "bias")}
    return {name: 0.1 * torch.randn(shape) for name, shape in shapes.items()}


def as_the_paper_says(state, image):
    """image (B, 3, H, W) in levels of 8 bits, H and W multiples of 4."""

    def norm(name, x):
        mean, var = x.mean((2, 3), keepdim=True), x.var((2, 3), keepdim=True, unbiased=False)
        gain, bias = (state[f"{name}.{leaf}"].view(1, -1, 1, 1) for leaf in ("weight", "bias"))
        return (x - mean) / (var + 1e-5).sqrt() * gain + bias

    def conv(name, x, **settings):
        return F.conv2d(x, state[f"{name}.weight"], state.get(f"{name}.bias"), **settings)

    def dilated(block, n, x, dilation):
        if dilation > 1:  # the same kernel for each channel by itself
            kernel, pad = state[f"{block}.pre_conv{n}.weight"], dilation - 1
            x = torch.cat([F.conv2d(channel, kernel, padding=pad) for channel in x.split(1, 1)], 1)
        x = conv(f"{block}.conv{n}", x, padding=dilation, dilation=dilation)
        return norm(f"{block}.norm{n}", x)

    x = torch.cat([image, edges(image)], dim=1) - 128
    for k, stride in ((1, 1), (2, 1), (3, 2)):
        x = norm(f"norm{k}", conv(f"conv{k}", x, padding=1, stride=stride)).relu()
    after = [x]
    for k, dilation in enumerate(DILATIONS, 1):
        inner = dilated(f"res{k}", 1, after[-1], dilation).relu()
        after.append((after[-1] + dilated(f"res{k}", 2, inner, dilation)).relu())
    levels = [after[0], after[4], after[7]]
    gates = conv("gate", torch.cat(levels, 1), padding=1)
    x = sum(gates[:, k : k + 1] * level for k, level in enumerate(levels))
    x = F.conv_transpose2d(x, state["deconv3.weight"], state["deconv3.bias"], 2, 1)
    x = norm("norm5", conv("deconv2", norm("norm4", x).relu(), padding=1)).relu()
    return image + conv("deconv1", x)


def test_the_authors_file_gives_the_papers_equations(tmp_path):
    state = authors_state()
    torch.save(state, tmp_path / "wacv_gcanet_dehaze.pth")
    method = GCANet()
    given_weights.load(method, WeightFile(file=str(tmp_path / "wacv_gcanet_dehaze.pth")))
    degraded = torch.rand(2, 3, 12, 16)
    with torch.no_grad():
        found = method.network(degraded)
        assert torch.allclose(found, as_the_paper_says(state, 255 * degraded) / 255, atol=1e-4)
        assert not torch.allclose(found, degraded, atol=1e-3)


def test_has_as_many_parameters_as_the_authors_file():
    assert sum(p.numel() for p in GatedNetwork().parameters()) == 702_818


def test_edges_are_differences_to_the_neighbours():
    image = torch.rand(1, 3, 4, 5)
    expected = torch.zeros(4, 5)
    for i in range(4):
        for j in range(5):
            for di, dj in ((0, 1), (0, -1), (1, 0), (-1, 0)):
                if 0 <= i + di < 4 and 0 <= j + dj < 5:
                    difference = image[0, :, i, j] - image[0, :, i + di, j + dj]
                    expected[i, j] += difference.abs().mean() / 4
    assert torch.allclose(edges(image)[0, 0], expected, atol=1e-6)


def test_every_parameter_learns():
    method = GCANet()
    method.loss(torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16), torch.Generator()).backward()
    # Normalisation takes the bias of the convolution before it away.
    useless = {"decoder.0.conv.bias", "decoder.1.conv.bias"}
    without = {n for n, p in method.network.named_parameters() if p.grad.abs().max() < 1e-9}
    assert without <= useless
