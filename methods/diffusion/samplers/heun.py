"""Heun's method in the variables of EDM."""

import math
from collections.abc import Sequence

from torch import Tensor

from methods.diffusion.samplers.steps import Denoise, Noise, pairs, step_towards
from methods.diffusion.schedule import Schedule

LARGEST_FALL = 10.0  # of σ in a step, up to which the step is taken over σ


def heun(
    denoise: Denoise, x: Tensor, schedule: Schedule, timesteps: Sequence[int], noise: Noise
) -> Tensor:
    """Heun's method on x/√ᾱ over σ = √(1-ᾱ)/√ᾱ (Karras et al., 2022, algorithm 1), second order.

    Two evaluations a step but for the last, which leads to σ = 0: 2 N - 1 for N times.
    """
    for t, s in pairs(timesteps):
        x0 = denoise(x, t)
        if s == 0:
            return x0
        x = heun_step(denoise, x, x0, schedule, t, s)
    return x


def heun_step(
    denoise: Denoise, x: Tensor, x0: Tensor, schedule: Schedule, t: int, s: int
) -> Tensor:
    """x_s from x = x_t and its x0, for 0 < s < t, at one more evaluation.

    Averaging the slopes ε at t and at the predicted x_s is a step towards x0 + w (x0' - x0), with
    x0' the estimate there and w = σ_t / (2 σ_s): the same without dividing by √ᾱ_t or subtracting
    large numbers. But w grows without bound with the step, and would be inf from ᾱ_t = 0. Where σ
    falls more than tenfold, w is 1/2 instead: Heun's method on x/√(1-ᾱ) over 1/σ, for which σ = inf
    is a point like others. It is of second order too, and its mean lies between x0 and x0'.
    """
    fall = math.exp(schedule.half_log_snr(s) - schedule.half_log_snr(t))  # σ_t / σ_s
    weight = fall / 2 if fall <= LARGEST_FALL else 0.5
    x0_after = denoise(step_towards(x, x0, schedule, t, s), s)
    return step_towards(x, x0 + weight * (x0_after - x0), schedule, t, s)
