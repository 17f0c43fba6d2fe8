"""AOD-Net: its size, equation and layers are those of the paper."""

import pytest
import torch
from torch.nn import functional as F

from benchmark.spec import given_weights
from benchmark.spec.method import ALL_WEATHERS
from benchmark.spec.run_config import WeightFile
from methods.aodnet import AllInOneNetwork, AODNet
from tests.core.test_caffe import CAFFE, blob, written


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def trained():
    """A network without zero weights, as after training."""
    network = AllInOneNetwork()
    for parameter in network.parameters():
        torch.nn.init.uniform_(parameter, -0.1, 0.3)
    return network


def test_has_the_published_number_of_parameters():
    assert sum(p.numel() for p in AllInOneNetwork().parameters()) == 1761


def test_untrained_returns_its_input():
    image = torch.rand(1, 3, 12, 9)
    assert torch.allclose(AllInOneNetwork()(image), image, atol=1e-6)


def test_k_of_the_haze_model_gives_the_clear_image():
    """With K = ((I − A)/t + A − b)/(I − 1) the output is the clear image."""
    clear, t, light = torch.rand(2, 3, 6, 7), torch.empty(2, 1, 6, 7).uniform_(0.2, 0.9), 0.85
    hazy = clear * t + light * (1 - t)
    network = AllInOneNetwork()
    network.estimate = lambda image: ((image - light) / t + light - 1) / (image - 1)
    assert torch.allclose(network(hazy), clear, atol=1e-5)


def test_k_comes_from_the_published_layers():
    """Kernels of 1, 3, 5, 7 and 3 pixels; the last three take features of several layers."""
    network, image = trained(), torch.rand(2, 3, 9, 11)
    p = dict(network.named_parameters())

    def layer(i, *inputs):
        weight, bias = p[f"conv{i}.weight"], p[f"conv{i}.bias"]
        side = {1: 1, 2: 3, 3: 5, 4: 7, 5: 3}[i]
        assert weight.shape == (3, 3 * len(inputs), side, side)
        out = sum(
            F.conv2d(x, part, padding=side // 2)
            for x, part in zip(inputs, weight.split(3, dim=1), strict=True)
        )
        return (out + bias[:, None, None]).clamp(min=0)

    x1 = layer(1, image)
    x2 = layer(2, x1)
    x3 = layer(3, x1, x2)
    x4 = layer(4, x2, x3)
    k = layer(5, x1, x2, x3, x4)
    assert torch.allclose(network(image), k * (image - 1) + 1, atol=1e-5)


def test_is_never_brighter_than_b():
    network = trained()
    torch.nn.init.normal_(network.conv5.weight)
    assert network(torch.rand(4, 3, 16, 16)).max() <= 1


def test_every_parameter_learns():
    network = trained()
    network(torch.rand(2, 3, 16, 16)).square().mean().backward()
    assert [n for n, p in network.named_parameters() if not p.grad.any()] == []


@pytest.mark.parametrize("seed", range(5))
def test_learns_to_remove_haze_from_any_start(seed):
    torch.manual_seed(seed)
    method = AODNet()
    clean = 0.8 * torch.rand(4, 3, 16, 16)
    hazy = 0.5 * clean + 0.45
    optimizer = torch.optim.Adam(method.network.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        loss = method.loss(clean, hazy, torch.Generator())
        loss.backward()
        optimizer.step()
    assert loss < 0.3 * F.mse_loss(hazy, clean)


def test_loss_is_the_mean_squared_error():
    method, (clean, degraded) = AODNet(), torch.rand(2, 2, 3, 8, 8)
    expected = ((degraded - clean) ** 2).sum() / clean.numel()  # untrained, it changes nothing
    assert torch.allclose(method.loss(clean, degraded, torch.Generator()), expected, atol=1e-6)


def test_is_scored_on_all_weathers():
    assert AODNet.card.weathers == ALL_WEATHERS


def test_both_published_files_give_the_papers_network(tmp_path):
    """The Caffe model has our names, M. Singal's file for PyTorch others."""
    state = trained().state_dict()
    layers = [
        CAFFE["Layer"](
            name=f"conv{k}",
            blobs=[blob(state[f"conv{k}.{part}"].numpy()) for part in ("weight", "bias")],
        )
        for k in range(1, 6)
    ]
    files = [written(tmp_path, CAFFE["Net"](layer=layers)), tmp_path / "dehazer.pth"]
    torch.save({name.replace("conv", "e_conv"): x for name, x in state.items()}, files[1])
    for file in files:
        method = AODNet()
        given_weights.load(method, WeightFile(file=str(file)))
        assert all(torch.equal(x, state[n]) for n, x in method.network.state_dict().items())
