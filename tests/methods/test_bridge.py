"""The diffusion bridge against its equations, simulation and Bayes' rule."""

import math

import pytest
import torch

from methods.bridge import OrnsteinUhlenbeckBridge
from methods.diffusion import process
from methods.mean_reverting_sde import MeanRevertingSDE
from tests.methods.test_formulations import (
    DOUBLE,
    Network,
    bayes,
    make,
    pictures,
    randn,
    restore,
    same_moments,
)


def settled(bridge, start, end):
    """σ̄²_{s:t} = λ² (1 - e^{-2θ̄_{s:t}}) (equation 6)."""
    gone = (bridge.theta_bar[end] - bridge.theta_bar[start]).item()
    return bridge.level**2 * -math.expm1(-2 * gone)


def coefficients(bridge, t):
    kept, deviation = bridge.coefficients(torch.tensor([t]), bridge.theta_bar)
    return kept.item(), deviation.item()


def scalars(*values):
    return (torch.tensor(value, dtype=DOUBLE) for value in values)


@pytest.mark.parametrize("t", [1, 20, 50, 99])
def test_marginal_is_equation_8(t):
    bridge = OrnsteinUhlenbeckBridge.cosine(level=0.2)
    rest, all_, done = settled(bridge, t, 100), settled(bridge, 0, 100), settled(bridge, 0, t)
    kept, deviation = coefficients(bridge, t)
    assert kept == pytest.approx(math.exp(-bridge.theta_bar[t].item()) * rest / all_, rel=1e-9)
    assert deviation**2 == pytest.approx(done * rest / all_, rel=1e-9)


def test_it_begins_at_the_clean_image_and_ends_at_the_degraded_one():
    bridge = OrnsteinUhlenbeckBridge.cosine()
    assert coefficients(bridge, 0) == pytest.approx((1, 0))
    assert coefficients(bridge, 100) == (0, 0)
    assert bridge.end_deviation == 0


def test_marginal_has_the_moments_of_the_simulated_sde():
    """Euler's method for the drift of equation 7, with many small steps."""
    bridge, x0, y = OrnsteinUhlenbeckBridge.cosine(T=20, level=0.3), 0.7, -0.4
    n, parts = 40_000, 40
    x = torch.full((n,), x0, dtype=DOUBLE)
    generator = torch.Generator().manual_seed(0)
    total, gone = bridge.theta_bar[-1].item(), 0.0
    for t in range(1, 13):
        theta_dt = (bridge.theta_bar[t] - bridge.theta_bar[t - 1]).item() / parts
        for _ in range(parts):
            decay = math.exp(-2 * (total - gone))
            pull = 1 + 2 * decay / (1 - decay)  # θ + g² e^{-2θ̄_{t:T}}/σ̄²_{t:T}, in units of θ
            noise = torch.randn(n, generator=generator, dtype=DOUBLE)
            x += theta_dt * pull * (y - x) + bridge.level * math.sqrt(2 * theta_dt) * noise
            gone += theta_dt
    kept, deviation = coefficients(bridge, 12)
    assert abs(x.mean() - (y + kept * (x0 - y))) < 0.01
    assert abs(x.std() / deviation - 1) < 0.02

    full = torch.ones(n, 1, 1, 1, dtype=DOUBLE)
    closed = process.diffuse(bridge, x0 * full, y * full, torch.full((n,), 12), randn(n, 1, 1, 1))
    assert same_moments(closed, y + kept * (x0 - y), deviation)


@pytest.mark.parametrize(("t", "s"), [(2, 1), (50, 49), (99, 98), (60, 30), (99, 1)])
def test_posterior_is_bayes_rule(t, s):
    """p(x_s given x_t, x0, x_T) ∝ p(x_t given x_s, x_T) p(x_s given x0, x_T)."""
    bridge, x0, y, x_t = OrnsteinUhlenbeckBridge.cosine(level=0.2), 0.4, -0.3, 0.1
    (m_t, deviation_t), (m_s, deviation_s) = coefficients(bridge, t), coefficients(bridge, s)
    from_s = m_t / m_s  # of x_s - y in x_t - y
    variance = deviation_t**2 - from_s**2 * deviation_s**2

    def log_q(x_s):
        likelihood = (x_t - y - from_s * (x_s - y)) ** 2 / variance
        return -0.5 * (likelihood + (x_s - y - m_s * (x0 - y)) ** 2 / deviation_s**2)

    mean, deviation = bridge.posterior(*scalars(x_t, x0, y), t, s)
    expected_mean, expected_deviation = bayes(log_q, -3, 3)
    assert mean.item() == pytest.approx(expected_mean, abs=1e-6)
    assert deviation == pytest.approx(expected_deviation, rel=1e-5)


@pytest.mark.parametrize("s", [1, 40, 99])
def test_posterior_at_the_end_is_the_marginal(s):
    bridge, (x0, y) = OrnsteinUhlenbeckBridge.cosine(), scalars(0.4, -0.3)
    kept, expected = coefficients(bridge, s)
    mean, deviation = bridge.posterior(y, x0, y, 100, s)
    assert mean.item() == pytest.approx((y + kept * (x0 - y)).item())
    assert deviation == pytest.approx(expected)


@pytest.mark.parametrize(("t", "m", "s"), [(100, 50, 1), (80, 79, 20), (30, 2, 1), (9, 5, 0)])
def test_two_steps_compose_to_one(t, m, s):
    """The means and the variances of two steps with one x0 are those of one step."""
    bridge, (x_t, x0, y) = OrnsteinUhlenbeckBridge.cosine(), scalars(0.1, 0.4, -0.3)
    x_t = y if t == 100 else x_t
    middle, first = bridge.posterior(x_t, x0, y, t, m)
    mean, second = bridge.posterior(middle, x0, y, m, s)
    shifted, _ = bridge.posterior(middle + 1, x0, y, m, s)
    expected, deviation = bridge.posterior(x_t, x0, y, t, s)
    assert mean.item() == pytest.approx(expected.item(), abs=1e-12)
    total = ((shifted - mean).item() * first) ** 2 + second**2
    assert math.sqrt(total) == pytest.approx(deviation, abs=1e-12)


def test_an_image_without_weather_stays_where_it_is():
    """x0 = y: the mean of x_t is y at all times."""
    bridge, (x0,) = OrnsteinUhlenbeckBridge.cosine(), scalars(0.4)
    for t in (1, 50, 100):
        like = torch.full((1, 1, 1, 1), 0.4, dtype=DOUBLE)
        assert process.diffuse(
            bridge, like, like, torch.tensor([t]), 0 * like
        ).item() == pytest.approx(0.4)
    assert bridge.posterior(x0, x0, x0, 60, 20)[0].item() == pytest.approx(0.4)


def test_weak_drift_is_the_brownian_bridge():
    """θ̄_T → 0: m = 1 - τ and V = 2λ² θ̄_T τ (1 - τ), τ = θ̄_t/θ̄_T."""
    bridge = OrnsteinUhlenbeckBridge(1e-4 * torch.linspace(0, 1, 11, dtype=DOUBLE), level=0.5)
    for t in range(11):
        kept, deviation = coefficients(bridge, t)
        assert kept == pytest.approx(1 - t / 10, abs=1e-6)
        assert deviation**2 == pytest.approx(2 * 0.25e-4 * t / 10 * (1 - t / 10), rel=1e-6)


def test_without_noise_a_step_moves_on_the_line():
    """λ → 0: from a point of the path for x0, to the earlier point of the same path."""
    bridge, (x0, y) = OrnsteinUhlenbeckBridge.cosine(level=1e-9), scalars(0.4, -0.3)
    at = [y + coefficients(bridge, t)[0] * (x0 - y) for t in (80, 30)]
    mean, deviation = bridge.posterior(at[0], x0, y, 80, 30)
    assert mean.item() == pytest.approx(at[1].item())
    assert deviation < 1e-8


def test_published_step_is_the_posterior():
    """Proposition 3.3 with m at t - 1, in the paper's terms."""
    bridge, (x_t, x0, y) = OrnsteinUhlenbeckBridge.cosine(), scalars(0.1, 0.4, -0.3)
    for t in (2, 50, 99):
        (m_t, deviation_t), (m_s, deviation_s) = (coefficients(bridge, i) for i in (t, t - 1))
        a = m_t / m_s
        gain = a * deviation_s**2 / deviation_t**2
        mean = y + m_s * (x0 - y) + gain * (x_t - y - m_t * (x0 - y))
        ours = bridge.posterior(x_t, x0, y, t, t - 1)
        assert ours[0].item() == pytest.approx(mean.item(), abs=1e-9)
        assert ours[1] == pytest.approx(deviation_s * math.sqrt(1 - a * gain), rel=1e-6)


@pytest.mark.parametrize("gamma", [1e7, 1e8])
def test_unidbs_penalty_changes_less_than_one_part_in_ten_thousand(gamma):
    """docs/formulations.md: its mean has (1/γ + σ̄²_{t:T})/(1/γ + σ̄²_T) for σ̄²_{t:T}/σ̄²_T."""
    bridge = OrnsteinUhlenbeckBridge.cosine(level=30 / 255)
    all_ = settled(bridge, 0, 100)
    for t in range(1, 100):
        kept, _ = coefficients(bridge, t)
        share = (1 / gamma + settled(bridge, t, 100)) / (1 / gamma + all_)
        theirs = math.exp(-bridge.theta_bar[t].item()) * share
        assert abs(theirs / kept - 1) < 1e-4


def test_one_step_is_the_networks_answer_at_the_degraded_image():
    """K = 1: y plus the network's answer in units of the residual; it sees y and no noise."""
    method, (_, degraded) = make("bridge"), pictures()
    seen = []

    def answer(x, t):
        seen.append((x, t))
        return 0.1 * x[:, :3]

    method.network = Network(answer)
    y = 2 * degraded - 1
    expected = ((y + 0.35 * 0.1 * y).clamp(-1, 1) + 1) / 2
    assert torch.allclose(restore(method, degraded, steps=1), expected, atol=1e-6)
    (x, t), = seen  # fmt: skip
    assert (x == torch.cat([y, 0 * y], dim=1)).all() and (t == 1).all()


def test_posterior_of_the_sde_is_shared():
    """Given x_t, the end of the process says nothing more about earlier times."""
    bridge, sde = OrnsteinUhlenbeckBridge.cosine(), MeanRevertingSDE.cosine()
    assert bridge.posterior(*scalars(0.1, 0.4, -0.3), 60, 20) == sde.posterior(
        *scalars(0.1, 0.4, -0.3), 60, 20
    )


@pytest.mark.parametrize("parameters", [{"T": 0}, {"noise_level": 0}, {"left": 1}, {"loss": "l3"}])
def test_impossible_parameters_are_named(parameters):
    (name,) = parameters
    with pytest.raises(ValueError, match=name):
        make("bridge", **parameters)
