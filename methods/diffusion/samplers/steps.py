"""What the samplers share: the pairs of times that they step between, and the step itself."""

import math
from collections.abc import Callable, Iterator, Sequence

from torch import Tensor

from methods.diffusion.schedule import Schedule

Denoise = Callable[[Tensor, int], Tensor]
Noise = Callable[[], Tensor]


def pairs(timesteps: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Each step's time and the time it leads to; the last leads to 0.

    Raises ValueError if the times do not fall or do not stay above 0.
    """
    following = [*timesteps[1:], 0]
    if not timesteps or any(s >= t for t, s in zip(timesteps, following, strict=True)):
        raise ValueError(f"timesteps must fall and stay above 0: {list(timesteps)}")
    return zip(timesteps, following, strict=True)


def step_towards(x: Tensor, x0: Tensor, schedule: Schedule, t: int, s: int) -> Tensor:
    """x_s for s < t, if the denoiser said x0 all the way from t to s.

    With a = √ᾱ and b = √(1 - ᾱ), x/b moves by x0 times the change of a/b (Lu et al., 2022,
    DPM-Solver++, proposition 4.1, for a constant x0): x_s = (b_s/b_t) x + (a_s - a_t b_s/b_t) x0.
    That is DDIM's step with η = 0. It divides by b_t alone, so that it is exact where ᾱ_t = 0.
    """
    shrink = schedule.noise(s) / schedule.noise(t)
    return shrink * x + (schedule.signal(s) - schedule.signal(t) * shrink) * x0


def step_moments(h: float) -> tuple[float, float]:
    """Mean of τ and of τ² over a step of length h in λ, τ running from 0 to 1.

    The exact step (proposition 4.1 as above) weights the denoiser's estimates along the way with
    e^λ; it is `step_towards` their weighted mean. For a polynomial in τ that mean follows from
    these two moments. h in (0, inf).
    """
    first = -1 / math.expm1(-h) - 1 / h
    return first, -1 / math.expm1(-h) - 2 * first / h
