"""DPM-Solver++: exponential integrators of the probability-flow equation in x0 and λ.

With λ = log(√ᾱ/√(1-ᾱ)), the exact solution from t to s (Lu et al., 2022, proposition 4.1) is

    x_s = (b_s/b_t) x_t + b_s ∫ e^λ x̂0(λ) dλ  from λ_t to λ_s,  b = √(1-ᾱ)

that is, a step towards the mean of x̂0 weighted with e^λ (`step_towards`, `step_moments`). The
solvers replace x̂0(λ) by polynomials of different degree. The step to t = 0, where λ = inf, is
towards the last x̂0 itself.
"""

import math
from collections.abc import Sequence

from torch import Tensor

from methods.diffusion.samplers.steps import Denoise, Noise, pairs, step_moments, step_towards
from methods.diffusion.schedule import Schedule


def dpm_solver_2s(
    denoise: Denoise, x: Tensor, schedule: Schedule, timesteps: Sequence[int], noise: Noise
) -> Tensor:
    """DPM-Solver++(2S) (Lu et al., 2022, algorithm 1), second order, one evaluation a time.

    Takes three times together: a first-order step to the middle one, then a second-order step from
    the first to the last, with the estimates at the first and the middle. A second-order step can
    neither start at λ = -inf (zero terminal SNR) nor end at t = 0 (λ = inf), because the middle has
    no relative position in λ; the steps there are of first order.
    """
    steps = list(pairs(timesteps))
    while steps:
        t, middle = steps.pop(0)
        x0 = denoise(x, t)
        to_middle = step_towards(x, x0, schedule, t, middle)
        if not steps or steps[0][1] == 0 or math.isinf(schedule.half_log_snr(t)):
            x = to_middle
            continue
        _, s = steps.pop(0)
        r = _step_length(schedule, t, middle) / _step_length(schedule, t, s)
        mean = x0 + (denoise(to_middle, middle) - x0) / (2 * r)
        x = step_towards(x, mean, schedule, t, s)
    return x


def dpm_solver_2m(
    denoise: Denoise, x: Tensor, schedule: Schedule, timesteps: Sequence[int], noise: Noise
) -> Tensor:
    """DPM-Solver++(2M) (Lu et al., 2022, algorithm 2), second order, from two times' estimates.

    The mean is that of the line through both estimates at the middle of the step. The first step
    has one estimate and is of first order. So is the second if the first started at λ = -inf,
    because its length of inf makes the slope 0.
    """
    before = None
    for t, s in pairs(timesteps):
        x0 = mean = denoise(x, t)
        if before is not None and s > 0:
            mean = extrapolated(x0, *before, schedule, t, s)
        x = step_towards(x, mean, schedule, t, s)
        before = x0, t
    return x


def dpm_solver_3m(
    denoise: Denoise, x: Tensor, schedule: Schedule, timesteps: Sequence[int], noise: Noise
) -> Tensor:
    """DPM-Solver++ with three times' estimates (Lu et al., 2022, section 4.2, k = 3), third order.

    The exact mean of the parabola through the three estimates. The authors' code and code derived
    from it lack a factor of 2 in the second derivative, and so are of second order. The first two
    steps are those of `dpm_solver_2m`.
    """
    before: list[tuple[Tensor, int]] = []
    for t, s in pairs(timesteps):
        x0 = mean = denoise(x, t)
        if len(before) == 1 and s > 0:
            mean = extrapolated(x0, *before[0], schedule, t, s)
        elif len(before) == 2 and s > 0:
            mean = _parabola_mean(x0, before, schedule, t, s)
        x = step_towards(x, mean, schedule, t, s)
        before = [(x0, t), *before[:1]]
    return x


def extrapolated(
    x0: Tensor, x0_before: Tensor, t_before: int, schedule: Schedule, t: int, s: int
) -> Tensor:
    """The line in λ through the estimates at t_before and t, at the middle between t and s > 0."""
    ratio = _step_length(schedule, t, s) / _step_length(schedule, t_before, t)
    return x0 + ratio / 2 * (x0 - x0_before)


def _parabola_mean(
    x0: Tensor, before: list[tuple[Tensor, int]], schedule: Schedule, t: int, s: int
) -> Tensor:
    """Weighted mean from t to s of the parabola in λ through the estimates at t and two before.

    Newton's form in τ = (λ - λ_t) / h. Lengths of inf (from λ = -inf) make the slopes 0.
    """
    (x0_1, t_1), (x0_2, t_2) = before
    h = _step_length(schedule, t, s)
    r1, r2 = _step_length(schedule, t_1, t) / h, _step_length(schedule, t_2, t_1) / h
    slope, slope_before = (x0 - x0_1) / r1, (x0_1 - x0_2) / r2
    curvature = (slope - slope_before) / (r1 + r2)
    first, second = step_moments(h)
    return x0 + first * slope + (second + r1 * first) * curvature


def _step_length(schedule: Schedule, t: int, s: int) -> float:
    """λ_s - λ_t > 0 for s < t."""
    return schedule.half_log_snr(s) - schedule.half_log_snr(t)
