"""Parts of all samplers: the pairs of times of each step, and the step itself."""

import math
from collections.abc import Callable, Iterator, Sequence

from torch import Tensor

from methods.diffusion.schedule import Schedule

Denoise = Callable[[Tensor, int], Tensor]
Noise = Callable[[], Tensor]


def pairs(timesteps: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The times (t, s) at which each step starts and ends; the last ends at 0.

    Raises ValueError if the times do not fall or do not stay above 0.
    """
    following = [*timesteps[1:], 0]
    if not timesteps or any(s >= t for t, s in zip(timesteps, following, strict=True)):
        raise ValueError(f"timesteps must fall and stay above 0: {list(timesteps)}")
    return zip(timesteps, following, strict=True)


def step_towards(x: Tensor, x0: Tensor, schedule: Schedule, t: int, s: int) -> Tensor:
    """x_s for s < t, if the denoiser's estimate is x0 at all times from t to s.

        x_s = (b_s/b_t) x + (a_s - a_t b_s/b_t) x0,  a = √ᾱ,  b = √(1 - ᾱ)

    (Lu et al., 2022, DPM-Solver++, proposition 4.1, for a constant x0.) This is DDIM's step with
    η = 0. It divides by b_t only, so it is exact where ᾱ_t = 0.
    """
    shrink = schedule.noise(s) / schedule.noise(t)
    return shrink * x + (schedule.signal(s) - schedule.signal(t) * shrink) * x0


def step_moments(h: float) -> tuple[float, float]:
    """Means of τ and of τ² over a step of length h in λ, for τ from 0 to 1 and the weight e^{hτ}.

        E[τ] = 1/(1 - e^{-h}) - 1/h,  E[τ²] = 1/(1 - e^{-h}) - 2 E[τ]/h

    The exact step (proposition 4.1 as above) is `step_towards` the mean of the estimates weighted
    with e^λ. If they are a quadratic polynomial in τ, these two moments give that mean. h in
    (0, inf).
    """
    first = -1 / math.expm1(-h) - 1 / h
    return first, -1 / math.expm1(-h) - 2 * first / h
