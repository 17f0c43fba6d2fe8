"""Ancestral sampling of the reverse Markov chain."""

import math
from collections.abc import Sequence

from torch import Tensor

from methods.diffusion.samplers.steps import Denoise, Noise, pairs
from methods.diffusion.schedule import Schedule


def ddpm(
    denoise: Denoise, x: Tensor, schedule: Schedule, timesteps: Sequence[int], noise: Noise
) -> Tensor:
    """Ancestral sampling: each step draws from p(x_s given x_t), equations (10) and (11).

    With all T times this is Ho et al. (2020), algorithm 2. With fewer, the step from t to s < t has
    α = ᾱ_t / ᾱ_s and β = 1 - α instead of α_t and β_t: the same chain without its intermediate
    times (Nichol and Dhariwal, 2021, section 4).

        mean = (√ᾱ_s β x0 + √α (1 - ᾱ_s) x_t) / (1 - ᾱ_t),  variance = β (1 - ᾱ_s) / (1 - ᾱ_t)

    This mean in x0 (Ho et al., equation 7) equals that in ε (11), and does not subtract nearly
    equal numbers where ᾱ_t is close to 0.
    """
    for t, s in pairs(timesteps):
        x0 = denoise(x, t)
        if s == 0:
            return x0
        a_t, a_s = schedule.alpha_bar[t].item(), schedule.alpha_bar[s].item()
        alpha = a_t / a_s
        beta = 1 - alpha
        mean = (math.sqrt(a_s) * beta * x0 + math.sqrt(alpha) * (1 - a_s) * x) / (1 - a_t)
        x = mean + math.sqrt((1 - a_s) / (1 - a_t) * beta) * noise()
    return x
