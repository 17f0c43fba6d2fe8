"""Each sampler: its cost, its order on data with a known flow, and its first and last steps."""

import math

import numpy as np
import pytest
import torch

from methods.diffusion.samplers import SAMPLERS
from methods.diffusion.samplers.ddim import ddim
from methods.diffusion.samplers.dpm_solver import dpm_solver_3m
from methods.diffusion.samplers.steps import step_moments, step_towards
from methods.diffusion.schedule import Schedule, cosine, edm, linear, zero_terminal_snr
from methods.diffusion.timesteps import SPACINGS, log_snr, uniform
from tests.gaussian import DOUBLE, Gaussian, no_noise, randn

DETERMINISTIC = [name for name in SAMPLERS if name != "ddpm"]
everything = pytest.mark.parametrize("name", SAMPLERS)
deterministic = pytest.mark.parametrize("name", DETERMINISTIC)


def noises(*shape):
    seeds = iter(range(1, 3000))
    return lambda: randn(*shape, seed=next(seeds))


@everything
@pytest.mark.parametrize("steps", [1, 2, 3, 4, 7, 10])
def test_nfe_is_as_declared(name, steps):
    """The calls of the denoiser are counted; their times are the given ones, from the first on."""
    for schedule in (linear(10), zero_terminal_snr(linear(10))):
        asked = []

        def denoise(x, t, asked=asked):
            asked.append(t)
            return x * 0.5

        times = uniform(schedule, steps)
        SAMPLERS[name].function(denoise, randn(1, 1, 2, 2), schedule, times, lambda: 0)
        assert len(asked) == SAMPLERS[name].evaluations(steps)
        assert asked[0] == times[0]
        assert sorted(set(asked), reverse=True) == times


@everything
def test_timesteps_that_do_not_fall_are_refused(name):
    for times in ([], [3, 3], [1, 2], [0], [5, 0], [5, 2, 3], [-1]):
        with pytest.raises(ValueError, match="timesteps"):
            SAMPLERS[name].function(lambda x, t: x, randn(1, 1, 1, 1), linear(10), times, lambda: 0)


@everything
def test_one_step_is_the_denoiser(name):
    schedule, x = cosine(20), randn(2, 3, 4, 4)
    out = SAMPLERS[name].function(lambda x, t: torch.tanh(x), x, schedule, [20], no_noise)
    assert torch.allclose(out, torch.tanh(x), atol=1e-12)


@everything
def test_a_known_x0_is_the_end_of_every_sampler(name):
    """If x0 is known, every sampler ends there, for any times."""
    x0, times = randn(1, 3, 4, 4, seed=9), [37, 30, 11, 10, 2]
    out = SAMPLERS[name].function(
        lambda x, t: x0, randn(1, 3, 4, 4), cosine(40), times, noises(1, 3, 4, 4)
    )
    assert torch.allclose(out, x0, atol=1e-10)


def even_in_log_snr(low: float, high: float, T: int) -> Schedule:
    halves = torch.linspace(high, low, T, dtype=DOUBLE)
    return Schedule(torch.cat([torch.ones(1, dtype=DOUBLE), torch.sigmoid(2 * halves)]))


ORDERS = {
    "ddim": 1,
    "dpm-solver-2s": 2,
    "dpm-solver-2m": 2,
    "dpm-solver-3m": 3,
    "unipc": 3,
    "heun": 2,
    "plms": 2,
}


@deterministic
def test_order_of_convergence_on_gaussian_data(name):
    """Slope of log error over log steps; the error is that at the last evaluation.

    λ runs from -5 to 2 over a T that the steps divide, so that no time is rounded. λ ends in the
    middle of the flow: over all of it some errors of this symmetric problem cancel. The last jump,
    from t = 1 to 0, is left out: it is of first order in all but PLMS, and does not shrink.
    """
    schedule = even_in_log_snr(-5, 2, T=20_161)
    x = torch.linspace(-2.5, 2.5, 11, dtype=DOUBLE).view(-1, 1, 1, 1)
    steps, errors = [80, 160, 320], []
    for n in steps:
        data = Gaussian(schedule)
        SAMPLERS[name].function(data, x, schedule, [*log_snr(schedule, n), 1], no_noise)
        reached, t = data.calls[-1]
        assert t == 1
        errors.append((reached - data.flow(x, 1)).abs().max().item())
    order = -np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert abs(order - ORDERS[name]) < 0.25, errors


def test_3m_is_limited_to_second_order_by_its_first_step_from_little_noise():
    """Its first step is of first order, with an error of second order, small only for small ᾱ."""
    schedule = even_in_log_snr(-1, 1, T=20_161)
    x = torch.linspace(-2.5, 2.5, 11, dtype=DOUBLE).view(-1, 1, 1, 1)
    errors = []
    for n in (80, 160, 320):
        data = Gaussian(schedule)
        dpm_solver_3m(data, x, schedule, [*log_snr(schedule, n), 1], no_noise)
        errors.append((data.calls[-1][0] - data.flow(x, 1)).abs().max().item())
    assert 1.75 < math.log2(errors[-2] / errors[-1]) < 2.25


def test_3m_is_exact_for_a_parabola_in_log_snr():
    """x_s = (b_s/b_t) x_t + b_s ∫ e^λ x0(λ) dλ, integrated in closed form (by parts)."""
    schedule = cosine(1000)

    def estimate(halves):
        return 0.2 - 0.1 * halves + 0.05 * halves**2

    def integral(halves):  # of e^λ times the above
        return math.exp(halves) * (estimate(halves) - (-0.1 + 0.1 * halves) + 0.1)

    seen = {}

    def denoise(x, t):
        seen[t] = x
        return torch.full_like(x, estimate(schedule.half_log_snr(t)))

    times = [900, 700, 600, 350, 100]
    dpm_solver_3m(denoise, randn(1, 1, 2, 2), schedule, times, no_noise)
    for t, s in ((600, 350), (350, 100)):
        change = integral(schedule.half_log_snr(s)) - integral(schedule.half_log_snr(t))
        expected = schedule.noise(s) * (seen[t] / schedule.noise(t) + change)
        assert torch.allclose(seen[s], expected, atol=1e-10)


@pytest.mark.parametrize("h", [1e-3, 0.1, 1.0, 8.0])
def test_step_moments_are_those_of_the_exponential_weight(h):
    tau = torch.linspace(0, 1, 200_001, dtype=DOUBLE)
    weight = torch.exp(h * tau)
    for power, moment in zip((1, 2), step_moments(h), strict=True):
        expected = torch.trapezoid(weight * tau**power, tau) / torch.trapezoid(weight, tau)
        assert abs(moment - expected) < 1e-8


def test_step_towards_is_the_step_of_ddim():
    schedule, x, x0 = cosine(100), randn(1, 3, 4, 4), randn(1, 3, 4, 4, seed=1)
    seen = []

    def denoise(x_t, t):
        seen.append(x_t)
        return x0

    ddim(denoise, x, schedule, [80, 30], no_noise)
    assert torch.allclose(seen[1], step_towards(x, x0, schedule, 80, 30), atol=1e-12)
    assert torch.allclose(step_towards(x, x0, schedule, 80, 0), x0)


@pytest.mark.parametrize(
    ("name", "steps", "options"),
    [("ddpm", 1000, {}), ("ddim", 200, {"eta": 1.0})]
    + [(name, 50 if name != "ddim" else 200, {}) for name in DETERMINISTIC],
)
def test_samplers_reach_the_distribution_of_gaussian_data(name, steps, options):
    """Stochastic ones too: the mean and the standard deviation within their sampling error."""
    schedule, n = cosine(), 20_000
    out = SAMPLERS[name].function(
        Gaussian(schedule),
        randn(n, 1, 1, 1),
        schedule,
        uniform(schedule, steps),
        noises(n, 1, 1, 1),
        **options,
    )
    assert abs(out.mean() - Gaussian.mean) < 0.02
    assert abs(out.std() / Gaussian.deviation - 1) < 0.03


@everything
@pytest.mark.parametrize("spacing", SPACINGS)
def test_zero_terminal_snr_is_the_limit_of_a_small_one(name, spacing):
    """ᾱ_T = 0 gives finite images, about those of ᾱ_T = 1e-20, in single precision too."""
    zero = zero_terminal_snr(cosine(100))
    times = SPACINGS[spacing](zero, 8)
    small = zero.alpha_bar.clone()
    small[-1] = 1e-20
    data, x = Gaussian(zero), randn(64, 1, 1, 1)

    def run(schedule, dtype):
        noise = noises(64, 1, 1, 1)
        return SAMPLERS[name].function(
            data, x.to(dtype), schedule, times, lambda: noise().to(dtype)
        )

    at_zero = run(zero, DOUBLE)
    assert at_zero.isfinite().all()
    # λ enters the multistep weights as 1 / (λ_t - λ_T), which falls to 0 slowly with ᾱ_T; and
    # DPM-Solver++(2S) groups its times differently after a first-order step from 0.
    assert torch.allclose(run(Schedule(small), DOUBLE), at_zero, atol=0.06)
    single = run(zero, torch.float32)
    assert single.dtype == torch.float32
    assert torch.allclose(single.double(), at_zero, atol=1e-4)


@deterministic
@pytest.mark.parametrize("schedule", [cosine(), linear(), edm()], ids=["cosine", "linear", "edm"])
def test_few_steps_from_pure_noise_stay_in_range(name, schedule):
    """From ᾱ_T of 1e-4 to 1e-9 in few, large steps; the caller clamps x0 to [-1, 1]."""
    for spacing in SPACINGS.values():
        for steps in (2, 4, 10):
            data = Gaussian(schedule)

            def denoise(x, t, data=data):
                return data(x, t).clamp(-1, 1)

            x = randn(500, 1, 1, 1).float()
            out = SAMPLERS[name].function(denoise, x, schedule, spacing(schedule, steps), no_noise)
            assert out.abs().max() < 3
            assert (out - data.flow(x)).square().mean().sqrt() < 0.55


@everything
def test_sampling_from_a_noised_start_uses_the_given_times_only(name):
    """`start` < T: the first evaluation is at `start`, and the flow from there is exact."""
    schedule = cosine(1000)
    data, x_T = Gaussian(schedule), randn(20_000, 1, 1, 1)
    times = uniform(schedule, 60, start=400)
    x = data.flow(x_T, 400)
    out = SAMPLERS[name].function(data, x, schedule, times, noises(20_000, 1, 1, 1))
    assert data.calls[0][1] == 400
    if name != "ddpm":
        assert torch.allclose(out, data.flow(x_T), atol=0.05)
    assert abs(out.std() / Gaussian.deviation - 1) < 0.03
