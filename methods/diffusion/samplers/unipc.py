"""UniPC: each evaluation also corrects the step that led to it."""

from collections.abc import Sequence

from torch import Tensor

from methods.diffusion.samplers.dpm_solver import extrapolated
from methods.diffusion.samplers.steps import Denoise, Noise, pairs, step_moments, step_towards
from methods.diffusion.schedule import Schedule


def unipc(
    denoise: Denoise, x: Tensor, schedule: Schedule, timesteps: Sequence[int], noise: Noise
) -> Tensor:
    """UniPC of order 2 with B2(h), predicting data (Zhao et al., 2023, algorithms 1 and 2).

    The predictor is `dpm_solver_2m`. The estimate at the predicted point then corrects the step
    that ended there, without another evaluation: third order. The last step, to t = 0, is towards
    the last x0 itself.
    """
    before: list[tuple[Tensor, int]] = []
    x_before = x
    for t, s in pairs(timesteps):
        x0 = denoise(x, t)
        if s == 0:
            return x0
        if before:
            mean = _corrected(x0, before, schedule, t)
            x = step_towards(x_before, mean, schedule, before[0][1], t)
        mean = extrapolated(x0, *before[0], schedule, t, s) if before else x0
        x_before, x = x, step_towards(x, mean, schedule, t, s)
        before = [(x0, t), *before[:1]]
    return x


def _corrected(x0: Tensor, before: list[tuple[Tensor, int]], schedule: Schedule, t: int) -> Tensor:
    """Mean over the step to t of the line, or the parabola, through the estimates up to t.

    before: the estimate at the start of the step and, except in the first step, one earlier. The
    mean of the line is that at the middle, as published; it is finite for a step from λ = -inf too.
    """
    x0_1, t_1 = before[0]
    slope = x0 - x0_1
    if len(before) == 1:
        return x0_1 + slope / 2
    x0_2, t_2 = before[1]
    h = schedule.half_log_snr(t) - schedule.half_log_snr(t_1)
    r = (schedule.half_log_snr(t_1) - schedule.half_log_snr(t_2)) / h
    curvature = (slope - (x0_1 - x0_2) / r) / (1 + r)
    first, second = step_moments(h)
    return x0_1 + first * slope + (second - first) * curvature
