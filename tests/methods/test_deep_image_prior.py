"""Deep image prior: the fit, its randomness, and its gradients in the suite's inference mode.

That it evaluates its network as often as it declares is tested with all methods.
"""

import pytest
import torch

from benchmark.core.errors import UserError
from methods import deep_image_prior
from methods.deep_image_prior import DeepImagePrior, Hourglass, Variant, fit, untrained


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def scene(size=48):
    """Smooth colours and an edge, (1, 3, size, size) in [0, 1]."""
    y, x = torch.meshgrid(torch.arange(size) / size, torch.arange(size) / size, indexing="ij")
    planes = [0.5 + 0.3 * torch.sin(4 * x + 3 * y + phase) * (x > 0.4) for phase in range(3)]
    return torch.stack(planes)[None]


def mse(a, b):
    return (a - b).square().mean().item()


def test_structure_is_fitted_before_noise():
    """As the paper says, the result is nearer to the clean image than the noisy one is."""
    clean = scene()
    noisy = (clean + 0.15 * torch.randn(clean.shape, generator=generator(1))).clamp(0, 1)
    restored = fit(noisy, 100, generator())
    assert mse(restored, clean) < 0.5 * mse(noisy, clean)


def test_more_iterations_fit_the_image_better():
    image = scene(32)
    errors = [mse(fit(image, n, generator()), image) for n in (1, 20, 100)]
    assert errors[0] > 2 * errors[1] > 4 * errors[2]


def test_one_iteration_is_the_untrained_network():
    """The generator gives the weights first, then the noise at the padded size."""
    shared = generator(7)
    network = untrained(shared)
    z = 0.1 * torch.rand(1, deep_image_prior.NOISE_CHANNELS, 64, 32, generator=shared)
    expected = network(z)[..., :33, :20]
    assert torch.allclose(fit(torch.zeros(1, 3, 33, 20), 1, generator(7)), expected)


@pytest.mark.parametrize("iterations", [1, 3])
def test_the_network_is_evaluated_once_in_each_iteration(iterations, monkeypatch):
    calls = []
    forward = Hourglass.forward
    monkeypatch.setattr(Hourglass, "forward", lambda s, x: calls.append(1) or forward(s, x))
    variant = Variant(iterations=iterations)
    with torch.inference_mode():
        DeepImagePrior().restore(torch.rand(2, 3, 9, 9), variant, [generator(0), generator(1)])
    assert len(calls) == 2 * DeepImagePrior().evaluations(variant) == 2 * iterations


def test_the_generator_is_the_only_source_of_randomness():
    image = scene(16)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = fit(image, 2, generator(3))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(fit(image, 2, generator(3)), first)
    assert not torch.equal(fit(image, 2, generator(4)), first)


def test_result_is_in_range_for_any_image():
    for level in (0.0, 1.0):
        restored = fit(torch.full((1, 3, 5, 70), level), 5, generator())
        assert restored.min() >= 0 and restored.max() <= 1


def test_a_large_image_is_refused_and_the_message_says_what_to_do():
    variant = Variant(iterations=1, max_pixels=99)
    with pytest.raises(UserError, match="100 pixels, but max_pixels is 99"):
        DeepImagePrior().restore(torch.zeros(1, 3, 10, 10), variant, [generator()])
    restored = DeepImagePrior().restore(torch.zeros(1, 3, 9, 11), variant, [generator()])
    assert restored.shape == (1, 3, 9, 11)
