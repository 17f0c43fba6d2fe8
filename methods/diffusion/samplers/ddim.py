"""DDIM: deterministic (η = 0), ancestral (η = 1), or between."""

import math
from collections.abc import Sequence

from torch import Tensor

from methods.diffusion.samplers.steps import Denoise, Noise, pairs
from methods.diffusion.schedule import Schedule
from methods.diffusion.targets import to_epsilon


def ddim(
    denoise: Denoise,
    x: Tensor,
    schedule: Schedule,
    timesteps: Sequence[int],
    noise: Noise,
    eta: float = 0.0,
) -> Tensor:
    """DDIM (Song, Meng and Ermon, 2021, equations 12 and 16).

    x_s = √ᾱ_s x0 + √(1 - ᾱ_s - σ²) ε + σ z, σ = η √((1-ᾱ_s)/(1-ᾱ_t)) √(1 - ᾱ_t/ᾱ_s).
    η = 0 is deterministic and is equation (13); η = 1 is the ancestral step of `ddpm`.
    """
    for t, s in pairs(timesteps):
        x0 = denoise(x, t)
        if s == 0:
            return x0
        epsilon = to_epsilon(x0, x, schedule.signal(t), schedule.noise(t))
        a_t, a_s = schedule.alpha_bar[t].item(), schedule.alpha_bar[s].item()
        sigma = eta * math.sqrt((1 - a_s) / (1 - a_t) * (1 - a_t / a_s))
        x = math.sqrt(a_s) * x0 + math.sqrt(max(1 - a_s - sigma**2, 0)) * epsilon
        if sigma > 0:
            x = x + sigma * noise()
    return x
