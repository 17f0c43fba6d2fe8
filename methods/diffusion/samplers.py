"""Samplers: from noise to an image, by a number of network evaluations.

All are plain functions with one signature:

    sampler(denoise, x, schedule, timesteps, noise, **options) -> x0

- denoise(x_t, t) -> x0: the denoiser's estimate of the clean image; x_t (B, C, H, W), t an int.
- x: x_T, standard normal, (B, C, H, W).
- timesteps: falling times, the first where sampling starts; t = 0 follows the last.
- noise() -> standard normal tensor shaped like x, called once for every random step.

The cost is len(timesteps) evaluations (NFE) each.
"""

import math
from collections.abc import Callable, Iterator, Sequence

from torch import Tensor

from methods.diffusion.schedule import Schedule
from methods.diffusion.targets import to_epsilon

Denoise = Callable[[Tensor, int], Tensor]
Noise = Callable[[], Tensor]


def ddpm(
    denoise: Denoise, x: Tensor, schedule: Schedule, timesteps: Sequence[int], noise: Noise
) -> Tensor:
    """Ancestral sampling: each step draws from p(x_s given x_t), equations (10) and (11).

    On all T times this is Ho et al. (2020), algorithm 2. On fewer, the step from t to s < t takes
    α = ᾱ_t / ᾱ_s and β = 1 - α in place of α_t and β_t, which is the same chain with its
    intermediate times left out (Nichol and Dhariwal, 2021, section 4).

    The mean is written with x0 in place of ε (Ho et al., equation 7), which equals (11) and does
    not subtract nearly equal numbers where ᾱ_t is close to 0.
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


SAMPLERS = {"ddpm": ddpm, "ddim": ddim}


def pairs(timesteps: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Each step's time and the time it leads to; the last leads to 0.

    Raises ValueError if the times do not fall or do not stay above 0.
    """
    following = [*timesteps[1:], 0]
    if not timesteps or any(s >= t for t, s in zip(timesteps, following, strict=True)):
        raise ValueError(f"timesteps must fall and stay above 0: {list(timesteps)}")
    return zip(timesteps, following, strict=True)
