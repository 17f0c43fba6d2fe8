"""The diffusion prior and its guidance, against closed forms and known weather."""

import math

import pytest
import torch

from benchmark.spec import registry
from methods.diffusion import guidance
from methods.diffusion.guidance import Haze, Layer, guided
from methods.diffusion.samplers import SAMPLERS
from methods.diffusion.schedule import linear
from methods.diffusion.timesteps import SPACINGS
from methods.diffusion_prior import posterior_variance, preconditioning, training_times
from tests.gaussian import DOUBLE, Gaussian, randn
from tests.methods.test_contract import SMALL

GUIDED = [
    {"guidance": weather, "through_network": through, "steps": 2}
    for weather in ("haze", "layer")
    for through in (False, True)
]


class Centred(Gaussian):
    """The data for which the best network output is 0."""

    mean = 0.0


def make(**parameters):
    """A small prior whose network does not return zeros."""
    kind = registry.load("diffusion_prior")
    torch.manual_seed(0)
    method = kind(kind.Parameters(**SMALL, **parameters))
    torch.nn.init.normal_(method.network.leave.weight, std=0.1)
    method.network.eval()
    return method


def pictures(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def restore(method, degraded, seeds=(0,), **variant):
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    with torch.inference_mode():
        return method.restore(degraded, method.Variant(**variant), generators)


def test_training_sees_clean_images_only():
    method, clean, gradients = make(), pictures(2, 3, 16, 16), []
    for degraded in (clean, torch.full_like(clean, float("nan"))):
        loss = method.loss(clean, degraded, torch.Generator().manual_seed(0))
        gradients.append(torch.autograd.grad(loss, list(method.network.parameters())))
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_loss_is_zero_for_a_perfect_network():
    method, clean = make(), pictures(2, 3, 16, 16)

    class Perfect(torch.nn.Module):
        def forward(self, x, t):
            signal, noise = method.schedule.coefficients((t * 1000).round().long(), x)
            skip, out, into = preconditioning(signal, noise)
            return (2 * clean - 1 - skip * x / into) / out

    method.network = Perfect()
    assert method.loss(clean, clean, torch.Generator().manual_seed(0)) < 1e-6


@pytest.mark.parametrize("t", [1, 30, 300, 1000])
def test_preconditioning_is_the_best_denoiser_of_gaussian_data(t):
    data = Centred(linear())
    signal, noise = data.schedule.signal(t), data.schedule.noise(t)
    skip, out, into = preconditioning(signal, noise)
    x = randn(10)
    assert torch.allclose(skip * x, data(x, t))
    assert into == pytest.approx(1 / data.spread(t))
    precision = (signal / noise) ** 2 + 1 / data.deviation**2
    assert (
        posterior_variance(signal, noise) == pytest.approx(out**2) == pytest.approx(1 / precision)
    )


def test_training_times_are_log_normal_noise():
    schedule = linear()
    times = training_times(4000, schedule, torch.Generator().manual_seed(0))
    assert times.min() >= 1 and times.max() <= schedule.T
    log_sigma = torch.tensor([-schedule.half_log_snr(t) for t in times.tolist()])
    assert log_sigma.median() == pytest.approx(-1.2, abs=0.1)
    assert log_sigma.quantile(0.84) == pytest.approx(0, abs=0.1)


def haze_of(y, t, airlight):
    """Haze with known parameters, which are not estimated."""
    haze = Haze(y, misfit=0.2, updates=0)
    share = (t - guidance.LEAST_TRANSMISSION) / (1 - guidance.LEAST_TRANSMISSION)
    haze.logits = torch.full_like(haze.logits.detach(), math.log(share / (1 - share)))
    haze.airlight = torch.full_like(haze.airlight.detach(), airlight)
    return haze


def weather_with_gain(name, y):
    """The weather, with m and c of y = m x + c + noise."""
    if name == "haze":
        return haze_of(y, 0.6, 0.8), 0.6, 0.4 * 0.8
    return Layer(y, misfit=0.2, threshold=math.inf), 1.0, 0.0


@pytest.mark.parametrize("through_network", [False, True])
@pytest.mark.parametrize("name", ["haze", "layer"])
@pytest.mark.parametrize("t", [5, 200, 900])
def test_guidance_is_bayes_rule_for_gaussian_data(name, through_network, t):
    data, y, x_t = Gaussian(linear()), 0.5 * randn(1, 3, 8, 8), randn(1, 3, 8, 8, seed=1)
    weather, m, c = weather_with_gain(name, y)
    denoise = guided(data, weather, data.schedule, posterior_variance, 1.0, through_network)
    signal, noise, s2 = data.schedule.signal(t), data.schedule.noise(t), data.deviation**2
    information = signal * x_t / noise**2 + data.mean / s2 + m * (y - c) / 0.2**2
    precision = signal**2 / noise**2 + 1 / s2 + m**2 / 0.2**2
    assert torch.allclose(denoise(x_t, t), information / precision, rtol=1e-6, atol=1e-8)


def test_guided_samples_have_the_posterior_distribution():
    data, y = Gaussian(linear()), torch.full((1, 3, 40, 40), -0.4, dtype=DOUBLE)
    weather, _, _ = weather_with_gain("layer", y)
    denoise = guided(data, weather, data.schedule, posterior_variance, 1.0, False)
    generator = torch.Generator().manual_seed(3)

    def noise():
        return torch.randn(y.shape, generator=generator, dtype=DOUBLE)

    times = SPACINGS["uniform"](data.schedule, 250)
    x = SAMPLERS["ddpm"].function(denoise, noise(), data.schedule, times, noise)
    precision = 1 / data.deviation**2 + 1 / 0.2**2
    mean = (data.mean / data.deviation**2 - 0.4 / 0.2**2) / precision
    assert x.mean().item() == pytest.approx(mean, abs=0.02)
    assert x.std().item() == pytest.approx(precision**-0.5, rel=0.1)


@pytest.mark.parametrize("through_network", [False, True])
def test_scale_0_is_the_unguided_sampler(through_network):
    method, degraded = make(), pictures(1, 3, 16, 16)
    unguided = restore(method, degraded)
    options = {"guidance": "layer", "through_network": through_network}
    assert torch.equal(restore(method, degraded, scale=0, **options), unguided)
    assert not torch.equal(restore(method, degraded, **options), unguided)
    data, x_t, y = Gaussian(linear()), randn(1, 3, 8, 8), 0.5 * randn(1, 3, 8, 8)
    haze = Haze(y, 0.1, 5)
    denoise = guided(data, haze, data.schedule, posterior_variance, 0.0, through_network)
    assert torch.equal(denoise(x_t, 100), data(x_t, 100))


def test_haze_is_estimated_from_the_clean_image(monkeypatch):
    """With a perfect denoiser, the estimated t and A are those of the simulated haze."""
    monkeypatch.setattr(guidance, "RATE", 0.05)
    clean = 2 * pictures(1, 3, 48, 64) - 1
    t = torch.linspace(0.3, 0.8, 64).expand(1, 1, 48, 64)
    airlight = torch.tensor([0.7, 0.75, 0.85]).view(1, 3, 1, 1)
    haze = Haze(t * clean + (1 - t) * airlight, misfit=0.02, updates=300)
    before = (haze.transmission().detach() - t).abs().mean()
    haze.fit(clean)
    error = (haze.transmission().detach() - t).abs()
    assert error.mean() < 0.02 < before and error.max() < 0.1
    assert torch.allclose(haze.airlight.detach(), airlight, atol=0.03)


def test_transmission_stays_within_its_limits():
    black, white = -torch.ones(1, 3, 16, 16), torch.ones(1, 3, 16, 16)
    for y, x0 in ((black, white), (white, black)):
        haze = Haze(y, misfit=0.02, updates=50)
        haze.fit(x0)
        t = haze.transmission()
        assert t.min() >= 0.05 and t.max() <= 1


def streaks_on(clean):
    """A white layer on a few pixels of images in [0, 1]."""
    layer = torch.zeros(1, 1, *clean.shape[-2:])
    layer[..., 4:20, 5], layer[..., 2:12, 13] = 0.4, 0.3
    return layer


def test_layer_is_the_bright_excess_only():
    clean = 0.5 * pictures(1, 3, 24, 24)
    s = streaks_on(clean)
    dark = torch.zeros_like(s)
    dark[..., 20:, 20:] = 0.3
    layer = Layer(clean + s - dark, misfit=0.02, threshold=0.05).layer(clean)
    assert torch.allclose(layer, (s - 0.05).clamp(min=0), atol=1e-6)


def test_streaks_are_removed_where_the_prior_knows_the_image(monkeypatch):
    method, clean = make(), 0.5 * pictures(1, 3, 24, 24)
    monkeypatch.setattr(method, "estimate", lambda x_t, t: 2 * clean - 1)
    degraded = clean + streaks_on(clean)
    restored = restore(method, degraded, guidance="layer", threshold=0.05)
    assert (degraded - clean).abs().max() > 0.39
    assert (restored - clean).abs().max() < 0.051


def test_a_start_near_0_returns_the_image():
    degraded = pictures(1, 3, 16, 16)
    restored = restore(make(), degraded, start=0.001, steps=1)
    assert (restored - degraded).abs().mean() < 0.01


@pytest.mark.parametrize("variant", GUIDED)
def test_an_image_depends_on_its_seed_only(variant):
    method, batch = make(), pictures(2, 3, 24, 24)
    together = restore(method, batch, seeds=(0, 1), **variant)
    alone = restore(method, batch[1:], seeds=(1,), **variant)
    assert torch.allclose(together[1:], alone, atol=1e-4)
    assert torch.equal(alone, restore(method, batch[1:], seeds=(1,), **variant))
    assert not torch.allclose(alone, restore(method, batch[1:], seeds=(2,), **variant), atol=1e-4)
    assert all(p.grad is None for p in method.network.parameters())


@pytest.mark.parametrize("variant", GUIDED)
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (13, 5)])
def test_guided_restoration_takes_any_size(variant, size):
    degraded = pictures(1, 3, *size)
    restored = restore(make(), degraded, **variant)
    assert restored.shape == degraded.shape and torch.isfinite(restored).all()


@pytest.mark.parametrize("variant", GUIDED)
def test_tiles_change_nothing_for_a_network_that_sees_one_pixel(variant):
    method, degraded = make(), pictures(1, 3, 24, 40)
    method.network = torch.nn.Module()
    method.network.forward = lambda x, t: 0.3 * x.tanh()
    whole = restore(method, degraded, **variant)
    assert torch.allclose(
        restore(method, degraded, tile=16, overlap=4, **variant), whole, atol=1e-4
    )


@pytest.mark.parametrize("sampler", ["ddim", "heun"])
def test_gradients_through_the_network_do_not_count_as_evaluations(sampler):
    method, calls = make(), []
    method.network.register_forward_hook(lambda *_: calls.append(1))
    options = {**GUIDED[1], "sampler": sampler}
    restore(method, pictures(1, 3, 16, 16), **options)
    assert len(calls) == method.evaluations(method.Variant(**options))
