"""Heun's method in the variables of EDM."""

import math
from collections.abc import Sequence

from torch import Tensor

from methods.diffusion.samplers.steps import Denoise, Noise, pairs, step_towards
from methods.diffusion.schedule import Schedule

LARGEST_FALL = 10.0  # largest σ_t / σ_s for a step in the variable σ


def heun(
    denoise: Denoise, x: Tensor, schedule: Schedule, timesteps: Sequence[int], noise: Noise
) -> Tensor:
    """Heun's method for x/√ᾱ in σ = √(1-ᾱ)/√ᾱ (Karras et al., 2022, algorithm 1), second order.

    Two evaluations in each step, one in the last, which ends at σ = 0: 2 N - 1 for N times.
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
    """x_s from x = x_t and its x0, for 0 < s < t, with one more evaluation.

    The mean of the slopes ε at t and at the predicted x_s is equivalent to a step towards
    x0 + w (x0' - x0), with x0' the estimate at x_s and w = σ_t / (2 σ_s). This form neither divides
    by √ᾱ_t nor subtracts large numbers. But w is unbounded, and inf for ᾱ_t = 0. So for
    σ_t > 10 σ_s, w is 1/2: Heun's method for x/√(1-ᾱ) in 1/σ, which is finite at σ = inf. It is of
    second order too, and its mean lies between x0 and x0'.
    """
    fall = math.exp(schedule.half_log_snr(s) - schedule.half_log_snr(t))  # σ_t / σ_s
    weight = fall / 2 if fall <= LARGEST_FALL else 0.5
    x0_after = denoise(step_towards(x, x0, schedule, t, s), s)
    return step_towards(x, x0 + weight * (x0_after - x0), schedule, t, s)
