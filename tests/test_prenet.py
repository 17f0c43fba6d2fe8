"""PReNet: its size and equations against the paper's; the SSIM it is trained for."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from skimage.metrics import structural_similarity
from torch.nn import functional as F

from benchmark.metrics import pixel
from methods.networks.losses import ssim
from methods.prenet import Parameters, PReNet, ProgressiveNetwork


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def images(height=24, width=19, batch=2):
    clean = torch.rand(batch, 3, height, width)
    return (0.7 * clean + 0.3 * torch.rand_like(clean)).clamp(0, 1), clean


# --- SSIM ---


def test_ssim_agrees_with_scikit_image_and_with_the_metric():
    x, y = images()
    pairs = list(zip(x.permute(0, 2, 3, 1).numpy(), y.permute(0, 2, 3, 1).numpy(), strict=True))
    # scikit-image's mean leaves the window's half side away, as "only where it fits" does.
    theirs = [
        structural_similarity(
            a, b, data_range=1, channel_axis=2, gaussian_weights=True, use_sample_covariance=False
        )
        for a, b in pairs
    ]
    assert ssim(x, y).item() == pytest.approx(np.mean(theirs), abs=1e-5)
    metric = np.mean([pixel.ssim(255.0 * a, 255.0 * b) for a, b in pairs])
    assert ssim(x, y).item() == pytest.approx(metric, abs=1e-5)


def test_ssim_of_equal_images_is_one_and_no_other_is_better():
    x, y = images()
    assert ssim(x, x).item() == pytest.approx(1, abs=1e-6)
    assert ssim(x, y) < 1


def test_ssim_of_flat_images_has_a_closed_form():
    """Variances vanish: (2ab + c1) / (a² + b² + c1)."""
    a, b, c1 = 0.3, 0.8, 0.01**2
    expected = (2 * a * b + c1) / (a * a + b * b + c1)
    flat = torch.ones(1, 3, 16, 16)
    assert ssim(a * flat, b * flat).item() == pytest.approx(expected, abs=1e-4)


def test_ssim_can_be_climbed():
    x, y = images(16, 16)
    x.requires_grad_()
    before = ssim(x, y)
    before.backward()
    assert ssim(x + 0.01 * x.grad / x.grad.abs().max(), y) > before


def test_ssim_is_not_computed_in_half_precision():
    """Its variances are small differences of means, which bfloat16 would lose."""
    x, y = (0.8 + 0.1 * image for image in images())
    with torch.autocast("cpu", torch.bfloat16):
        inside = ssim(x, y)
    assert inside.item() == pytest.approx(ssim(x, y).item(), abs=1e-6)


def test_ssim_of_an_image_below_the_window_is_refused():
    with pytest.raises(ValueError, match="11×11"):
        ssim(torch.rand(1, 3, 10, 30), torch.rand(1, 3, 10, 30))


# --- the network ---


def test_has_the_published_number_of_parameters():
    """168,963, however many stages."""
    for stages in (1, 6):
        network = ProgressiveNetwork(stages)
        assert sum(p.numel() for p in network.parameters()) == 168_963


def test_stages_are_the_papers_equations():
    """Two stages written out with one convolution for each gate."""
    network, y = ProgressiveNetwork(stages=2, width=4, blocks=2), images(7, 9)[0]
    kernels = network.memory.gates.weight.chunk(4)
    biases = network.memory.gates.bias.chunk(4)
    x, h, c = y, torch.zeros(2, 4, 7, 9), torch.zeros(2, 4, 7, 9)
    for _ in range(2):
        f_in = network.enter(torch.cat([y, x], dim=1)).clamp(min=0)
        i, f, g, o = (
            F.conv2d(torch.cat([f_in, h], dim=1), kernel, bias, padding=1)
            for kernel, bias in zip(kernels, biases, strict=True)
        )
        c = c / (1 + (-f).exp()) + g.tanh() / (1 + (-i).exp())
        h = c.tanh() / (1 + (-o).exp())
        r = h
        for block in network.blocks:
            inner = block.conv2(block.conv1(r).clamp(min=0)).clamp(min=0)
            r = (r + inner).clamp(min=0)
        x = y + network.leave(r)
    assert torch.allclose(network(y), x, atol=1e-5)


def test_more_stages_change_the_answer():
    y = images()[0]
    network = ProgressiveNetwork(stages=1)
    once = network(y)
    network.stages = 2
    assert not torch.allclose(network(y), once, atol=1e-4)


def test_every_parameter_learns():
    method = PReNet(Parameters(stages=2, width=8, blocks=2))
    degraded, clean = images()
    method.loss(clean, degraded, torch.Generator()).backward()
    without = [n for n, p in method.network.named_parameters() if not p.grad.any()]
    assert without == []


def test_loss_is_zero_for_a_perfect_network_alone():
    method = PReNet(Parameters(stages=1, width=4, blocks=1))
    degraded, clean = images()
    method.network = lambda x: clean
    assert method.loss(clean, degraded, torch.Generator()).item() == pytest.approx(0, abs=1e-6)
    method.network = lambda x: x
    assert method.loss(clean, degraded, torch.Generator()) > 0.01


@pytest.mark.parametrize("key", ["stages", "width", "blocks"])
def test_senseless_parameters_are_refused(key):
    with pytest.raises(ValidationError, match=key):
        Parameters(**{key: 0})
