"""Recipes for the times below T of the conditional diffusion model: closed forms, equivalences."""

import pytest
import torch

from benchmark.spec.training_settings import Stage, Training
from benchmark.training.step import training_flops
from methods.diffusion.conditional import normal_like, random_times, training_noise
from methods.diffusion.preconditioning import residual_estimate
from methods.diffusion.schedule import linear, uniform_timesteps, zero_terminal_snr
from methods.diffusion.weighting import WEIGHTINGS
from methods.networks.losses import LOSSES, perceptual_error, restoration_error
from methods.networks.unet import UNet
from tests.methods.preconditioned import Network, estimating, of_schedule
from tests.methods.test_formulations import DOUBLE, make, pictures, randn, restore

TIMES = (1, 50, 300, 700, 1000)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def trained_times(count=20_000, **parameters):
    """The times at which a model with these parameters is trained."""
    method = make("conditional_diffusion", **parameters)
    p = method.parameters
    return random_times(count, p.T, p.start_share, generator(), method.training_times)


# Times


def test_default_times_are_drawn_as_before():
    times = random_times(100, 1000, 0.8, generator(5))
    before = generator(5)
    expected = torch.randint(1, 1001, (100,), generator=before)
    expected[torch.rand(100, generator=before) < 0.8] = 1000
    assert torch.equal(times, expected)


def test_training_times_are_those_of_the_sampler():
    times = trained_times(training_times=20, start_share=0)
    grid = uniform_timesteps(1000, 20)
    assert {*times.tolist()} == {*grid}
    shares = torch.bincount(times)[grid] / len(times)
    assert ((shares - 1 / 20).abs() < 0.01).all()
    for steps in (1, 2, 4, 5, 10):
        assert {*uniform_timesteps(1000, steps)} <= {*grid}, "a sampler must find trained times"


def test_start_share_is_added_to_the_training_times():
    times = trained_times(training_times=4, start_share=0.5)
    assert {*times.tolist()} == {250, 500, 750, 1000}
    assert abs((times == 1000).double().mean() - (0.5 + 0.5 / 4)) < 0.02


def test_times_by_log_snr_are_uniform_in_it():
    times = trained_times(training_times=50, training_spacing="log-snr", start_share=0)
    schedule = linear()
    half_log_snr = 0.5 * torch.logit(schedule.alpha_bar[times])
    low, high = schedule.half_log_snr(1000), schedule.half_log_snr(1)
    place = ((half_log_snr - low) / (high - low)).sort().values
    expected = torch.linspace(0, 1, len(place), dtype=DOUBLE)
    assert (place - expected).abs().max() < 0.05


@pytest.mark.parametrize(
    ("parameters", "variant", "untrained"),
    [
        ({}, {"steps": 3}, None),  # all times are trained
        ({"training_times": 20}, {"steps": 4}, None),
        ({"training_times": 20}, {"steps": 3}, "(333, 667)"),
        ({"training_times": 20}, {"steps": 40}, "(25, 75, 125, ...)"),
        ({"training_times": 20}, {"steps": 2, "start": 0.5}, None),
        ({"training_times": 50, "training_spacing": "log-snr"},
         {"steps": 5, "spacing": "log-snr"}, None),
        ({"training_times": 50, "training_spacing": "log-snr"}, {"steps": 2}, "(500)"),
        ({"training_times": 20}, {"steps": 4, "start": 0.33}, "start: 1"),
        ({}, {"steps": 3, "spacing": "published"}, "is not a multiple of 3"),
        ({"training_times": 20}, {"steps": 4, "spacing": "published"}, "spacing 'uniform'"),
        ({}, {"steps": 1001}, "1001 are more than the T = 1000 times"),
    ],
)  # fmt: skip
def test_variants_that_sample_at_other_times_are_warned_of(parameters, variant, untrained):
    method = make("conditional_diffusion", **parameters)
    warnings = method.variant_warnings(method.parameters, method.Variant(**variant))
    assert len(warnings) == (untrained is not None)
    assert all(untrained in warning for warning in warnings)


# Preconditioning


def estimate(network, y, x_t, signal, noise, deviation):
    """That of the conditional diffusion model, where y is both condition and base."""
    return residual_estimate(network, y, y, x_t - signal * y, signal, noise, deviation)


def residuals(t, deviation, schedule=None, count=40_000):
    """y, x0, x_t and the coefficients at a time, for residuals of this standard deviation."""
    schedule = schedule or linear()
    y = randn(1, 3, 1, count)
    x0 = y + deviation * randn(1, 3, 1, count, seed=1)
    signal, noise = schedule.coefficients(torch.tensor([t]), x0)
    return y, x0, signal * x0 + noise * randn(1, 3, 1, count, seed=2), signal, noise


@pytest.mark.parametrize("t", TIMES)
def test_without_network_the_estimate_is_exact_for_gaussian_residuals(t):
    """E[x0 given x_t, y] = y + Cov(r, x_t)/Var(x_t) (x_t - a y), from the samples themselves."""
    y, x0, x_t, signal, noise = residuals(t, 0.2)
    ours = estimate(lambda x: 0 * x[:, :3], y, x_t, signal, noise, 0.2)
    seen, r = x_t - signal * y, x0 - y
    slope = (r * seen).mean() / seen.square().mean()
    assert torch.allclose(ours - y, slope * seen, atol=0.02)


@pytest.mark.parametrize("t", TIMES)
def test_the_networks_target_has_variance_one(t):
    """And its input, in units of the residual, has the share a² s²/(b² + a² s²) of variance 1."""
    y, x0, x_t, signal, noise = residuals(t, 0.2)
    seen = []

    def network(x):
        seen.append(x[:, 3:])
        return torch.ones_like(x[:, 3:])

    zero = estimate(lambda x: 0 * x[:, :3], y, x_t, signal, noise, 0.2)
    gain = estimate(network, y, x_t, signal, noise, 0.2) - zero
    assert ((x0 - zero) / gain).std() == pytest.approx(1, rel=0.01)
    share = (signal * 0.2) ** 2 / (noise**2 + (signal * 0.2) ** 2)
    assert seen[0].var().item() == pytest.approx(share.item(), rel=0.02, abs=1e-6)


@pytest.mark.parametrize("t", TIMES)
def test_gains_are_those_of_karras_et_al(t):
    """c_skip and c_out of their table 1, at σ = b/a, with σ_data = s."""
    y, _, x_t, signal, noise = residuals(t, 0.2, count=10)
    sigma = noise / signal
    skip, out = 0.04 / (sigma**2 + 0.04), sigma * 0.2 / (sigma**2 + 0.04).sqrt()
    expected = y + skip * (x_t / signal - y) + out * 0.3
    ours = estimate(lambda x: 0 * x[:, :3] + 0.3, y, x_t, signal, noise, 0.2)
    assert torch.allclose(ours, expected, rtol=1e-9)


def test_from_noise_alone_it_is_a_regression():
    """ᾱ_T = 0: y plus s times what the network makes of y; x_T is not seen."""
    y, _, x_t, signal, noise = residuals(1000, 0.2, zero_terminal_snr(linear()), 10)
    ours = estimate(lambda x: x[:, :3] + x[:, 3:], y, x_t, signal, noise, 0.2)
    assert torch.allclose(ours, y + 0.2 * y)


@pytest.mark.parametrize("steps", [1, 4])
def test_a_perfect_preconditioned_network_returns_the_clean_image(steps):
    method, (clean, degraded) = make("conditional_diffusion", residual_deviation=0.3), pictures()
    x0 = 2 * clean - 1
    method.network = estimating(lambda y, x_t, t: x0, of_schedule(method.schedule), 0.3)
    assert method.loss(clean, degraded, generator()) < 1e-5
    assert torch.allclose(restore(method, degraded, steps=steps), clean, atol=1e-5)


@pytest.mark.parametrize("t", TIMES)
def test_weights_of_edm_make_the_networks_error_count_the_same(t):
    """weight × out² = s² at all times."""
    schedule = linear()
    like = torch.zeros(1, dtype=DOUBLE)
    weight = WEIGHTINGS["edm"]("x0", schedule.snr(torch.tensor([t]), like), 0.2)
    signal, noise = schedule.coefficients(torch.tensor([t]), like)
    out = noise * 0.2 / (noise**2 + (signal * 0.2) ** 2).sqrt()
    assert (weight * out**2).item() == pytest.approx(0.04)


def test_edm_weights_are_for_x0():
    with pytest.raises(ValueError, match="'edm' is made for the target x0"):
        WEIGHTINGS["edm"]("v", torch.ones(1), 0.2)


# Own estimates


@pytest.mark.parametrize(("share", "count"), [(0, 0), (0.5, 2), (1, 4)])
@pytest.mark.parametrize(("value", "clamped"), [(0.2, 0.2), (5.0, 1.0)])
def test_x_t_is_made_of_own_estimates_in_the_place_of_clean_images(share, count, value, clamped):
    """The noise is drawn again from the generator: that of x_t first, then that of the estimate."""
    method = make("conditional_diffusion", start_share=0.2, own_estimates=share)
    calls, (clean, degraded) = [], pictures(4)

    def network(x, t):
        calls.append((x[:, :3], x[:, 3:], t))
        return torch.full_like(x[:, :3], value) - x[:, :3]

    method.network = Network(network)
    method.loss(clean, degraded, generator())
    *estimates, (condition, seen, t) = calls
    x0, y, again = 2 * clean - 1, 2 * degraded - 1, generator()
    times, epsilon = training_noise(x0, 1000, 0.2, again)
    signal, noise = method.schedule.coefficients(times, x0)
    images = torch.cat([torch.full_like(x0[:count], clamped), x0[count:]])
    assert torch.equal(condition, y) and torch.equal(t, times / 1000)
    assert torch.allclose(seen, signal * (signal * images + noise * epsilon), atol=1e-6)
    assert len(estimates) == (count > 0)
    for condition, seen, t in estimates:
        assert torch.equal(condition, y[:count]) and (t == 1).all()
        fresh = normal_like(x0[:count], again)
        assert torch.allclose(seen, method.schedule.signal(1000) * fresh, atol=1e-6)


def test_no_gradient_goes_through_own_estimates():
    method = make("conditional_diffusion", own_estimates=1)
    calls = []
    method.network = Network(lambda x, t: calls.append(torch.is_grad_enabled()) or 0 * x[:, :3])
    method.loss(*pictures(2), generator())
    assert calls == [False, True]


def test_training_flops_have_the_evaluations_for_own_estimates():
    """A forward pass is a third of a step."""
    stages = (Stage(share=1, batch=4, crop=16),)

    def flops(share):
        method = make("conditional_diffusion", own_estimates=share)
        return training_flops(method, Training(steps=10, stages=stages))

    for share in (0.5, 0.35, 1):
        assert flops(share) / flops(0) == pytest.approx(1 + share / 3, rel=0.02)


# Perceptual loss at low noise


@pytest.fixture
def distance(monkeypatch):
    """In place of LPIPS, which needs its weights: the mean difference of each image."""

    def network(x, y):
        return (x - y).abs().mean((1, 2, 3), keepdim=True)

    monkeypatch.setattr("methods.networks.losses._frozen_lpips", lambda device: network)
    return network


def test_lpips_is_added_where_it_is_asked_for(distance):
    x, y = torch.rand(2, 4, 3, 64, 64, generator=generator()).unbind()
    apart = distance(x, y).flatten()
    where = torch.tensor([True, False, False, True])
    expected = restoration_error(x, y) + (apart[0] + apart[3]) / 4
    assert perceptual_error(x, y, where).item() == pytest.approx(expected.item())
    everywhere = perceptual_error(x, y, torch.ones(4, dtype=torch.bool))
    assert everywhere.item() == pytest.approx(perceptual_error(x, y).item())


@pytest.mark.parametrize(("until", "share"), [(0.4, 0.4), (0.9, 0.9), (1.0, 1.0)])
def test_lpips_counts_up_to_a_time(distance, until, share):
    """Of the difference between the losses with and without LPIPS, the share of pairs is left."""
    clean, degraded = (x.repeat(40, 1, 1, 1) for x in pictures(4, 64))

    def loss(**parameters):
        method = make("conditional_diffusion", start_share=0, **parameters)
        method.network = Network(lambda x, t: 0 * x[:, :3])
        return method.loss(clean, degraded, generator()).item()

    added = loss(loss="rmse+ssim+lpips", perceptual_until=until) - loss()
    whole = loss(loss="rmse+ssim+lpips") - loss()
    assert added / whole == pytest.approx(share, abs=0.06)


# Parameters


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"training_times": 1001}, "training_times: must be at most T"),
        ({"training_times": 0}, "training_times"),
        ({"training_spacing": "log-snr"}, "training_spacing: set training_times"),
        ({"residual_deviation": 0}, "residual_deviation"),
        ({"residual_deviation": 0.2, "target": "v"}, "residual_deviation: works with"),
        ({"own_estimates": 1.5}, "own_estimates"),
        ({"own_estimates": 0.5, "target": "v"}, "own_estimates: works with"),
        ({"weighting": "edm"}, "weighting: 'edm' needs residual_deviation"),
        ({"perceptual_until": 0.5}, "perceptual_until: needs loss"),
        ({"perceptual_until": 0.5, "loss": "rmse+ssim+lpips", "weighting": "min-snr"},
         "perceptual_until"),
    ],
)  # fmt: skip
def test_impossible_parameters_are_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        make("conditional_diffusion", **parameters)


def test_the_default_network_and_prediction_are_unchanged():
    """Without recipes: the condition plus the network's answer to (condition, √ᾱ x_t)."""
    method = make("conditional_diffusion")
    torch.nn.init.normal_(method.network.leave.weight, std=0.02)
    assert isinstance(method.network, UNet)
    condition, x_t, t = torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16), torch.tensor([3, 900])
    signal, _ = method.schedule.coefficients(t, x_t)
    expected = condition + method.network(torch.cat([condition, signal * x_t], 1), t / 1000)
    assert torch.equal(method.predict(condition, x_t, t), expected)
    assert method.training_times is None
    assert method.parameters.loss in LOSSES
