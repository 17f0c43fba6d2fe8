"""Losses against closed forms, scikit-image and the benchmark's own metrics."""

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from benchmark.scoring.metrics import pixel
from benchmark.spec import registry, sources
from methods.networks.losses import restoration_error, rmse, ssim


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def images(height=24, width=19, batch=2):
    clean = torch.rand(batch, 3, height, width)
    return (0.7 * clean + 0.3 * torch.rand_like(clean)).clamp(0, 1), clean


def test_ssim_agrees_with_scikit_image_and_with_the_metric():
    x, y = images()
    pairs = list(zip(x.permute(0, 2, 3, 1).numpy(), y.permute(0, 2, 3, 1).numpy(), strict=True))
    # scikit-image's mean leaves out a border of half a window, as ours does.
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


def test_gradient_ascent_increases_ssim():
    x, y = images(16, 16)
    x.requires_grad_()
    before = ssim(x, y)
    before.backward()
    assert ssim(x + 0.01 * x.grad / x.grad.abs().max(), y) > before


def test_ssim_is_not_computed_in_half_precision():
    """Variances are small differences of means, for which bfloat16 is too coarse."""
    x, y = (0.8 + 0.1 * image for image in images())
    with torch.autocast("cpu", torch.bfloat16):
        inside = ssim(x, y)
    assert inside.item() == pytest.approx(ssim(x, y).item(), abs=1e-6)


def test_ssim_of_an_image_below_the_window_is_refused():
    with pytest.raises(ValueError, match="11×11"):
        ssim(torch.rand(1, 3, 10, 30), torch.rand(1, 3, 10, 30))


# --- RMSE, and RMSE with SSIM ---


def test_rmse_is_the_mean_over_images():
    """The mean of roots, not the root of the mean: the offsets 0.2 and 0.6 give 0.4."""
    target = torch.rand(2, 3, 16, 16)
    offset = torch.tensor([0.2, 0.6]).view(2, 1, 1, 1)
    assert rmse(target + offset, target).item() == pytest.approx(0.4, abs=0.01)


@pytest.mark.parametrize("loss", [rmse, restoration_error])
def test_a_perfect_result_has_no_loss_and_a_finite_gradient(loss):
    x = (2 * images()[1] - 1).requires_grad_()
    value = loss(x, x.detach().clone())
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-6)
    assert x.grad.isfinite().all()


def test_restoration_error_is_rmse_plus_one_minus_ssim():
    x, y = images()
    expected = rmse(2 * x - 1, 2 * y - 1) + 1 - ssim(x, y)
    assert restoration_error(2 * x - 1, 2 * y - 1).item() == pytest.approx(expected.item())


def test_restoration_error_of_images_below_the_window_is_rmse():
    x, y = images(10, 30)
    assert restoration_error(x, y) == rmse(x, y)


@pytest.mark.parametrize("name", [name for name in registry.available() if sources.learns(name)])
def test_no_loss_waits_for_the_device(name, monkeypatch):
    """It reads no value back, and draws its random numbers on the generator's device."""
    kind = registry.load(name)
    small = {"network": {"width": 8, "multipliers": (1, 2), "blocks": 1}, "width": 8}
    small = {k: v for k, v in small.items() if k in kind.Parameters.model_fields}
    method = kind(kind.Parameters(**small))
    if kind.needs_teacher(method.parameters):
        teacher = registry.load("conditional_diffusion")
        method.learn_from(teacher(teacher.Parameters(**small)))
    images, generator = torch.rand(2, 2, 3, 16, 16), torch.Generator()
    method.loss(*images, generator)  # tables are copied to the device once
    used = []
    for read in ("item", "tolist", "cpu", "numpy", "__bool__", "__float__", "__int__"):
        monkeypatch.setattr(torch.Tensor, read, lambda *_, read=read: used.append(read))
    for draw in ("randn", "rand", "randint"):
        original = getattr(torch, draw)

        def drawn(*arguments, original=original, draw=draw, **options):
            if options.get("device") != generator.device:
                used.append(draw)
            return original(*arguments, **options)

        monkeypatch.setattr(torch, draw, drawn)
    method.loss(*images, generator)
    assert not used
