"""The start of sampling, and the times at which the denoiser is evaluated.

A *spacing* is a function `(schedule, steps, start=None) -> list[int]`: exactly `steps` different
times that fall from `start` (T if None) and stay above 0; t = 0 follows the last. The steps are of
equal length in a variable that differs between the spacings. All raise ValueError unless
1 <= steps <= start <= T.
"""

import torch
from torch import Tensor

from benchmark import Alternatives
from methods.diffusion.schedule import Schedule, uniform_timesteps


def uniform(schedule: Schedule, steps: int, start: int | None = None) -> list[int]:
    """Evenly spaced in t, down to about start / steps."""
    return uniform_timesteps(_checked_start(schedule, steps, start), steps)


def quadratic(schedule: Schedule, steps: int, start: int | None = None) -> list[int]:
    """Evenly spaced in √t: denser near t = 0 (Song, Meng and Ermon, 2021, appendix D.2)."""
    start = _checked_start(schedule, steps, start)
    return _distinct([round(start * (1 - i / steps) ** 2) for i in range(steps)])


def log_snr(schedule: Schedule, steps: int, start: int | None = None) -> list[int]:
    """Evenly spaced in λ = half the log-SNR, between its values at `start` and at t = 1
    (Lu et al., 2022, DPM-Solver).

    λ is +inf at t = 0, so the interval ends at t = 1. With zero terminal SNR, λ is -inf at t = T,
    so the interval starts at the time before.
    """
    start = _checked_start(schedule, steps, start)
    falling = 0.5 * torch.logit(schedule.alpha_bar[1 : start + 1])
    finite = falling[falling.isfinite()]
    if len(finite) == 0:
        return [start]
    wanted = finite[-1] + (finite[0] - finite[-1]) * torch.arange(steps) / steps
    nearest = [(finite - value).abs().argmin().item() + 1 for value in wanted]
    return _distinct([start, *nearest[1:]])


SPACINGS: Alternatives = {"uniform": uniform, "quadratic": quadratic, "log-snr": log_snr}


def untrained_warning(sampled: list[int], trained: list[int], advice: str) -> list[str]:
    """A warning, with at most three times and the advice, if a sampler's times are not all trained;
    else none."""
    times = sorted({*sampled} - {*trained})
    if not times:
        return []
    few = ", ".join(str(t) for t in times[:3]) + (", ..." if times[3:] else "")
    return [f"samples at times that are not trained ({few}): {advice}"]


def surplus_warning(steps: int, T: int) -> list[str]:
    """A warning if a sampler has more steps than there are times; else none."""
    if steps <= T:
        return []
    return [f"steps: {steps} are more than the T = {T} times: no image can be restored"]


def noised_start(condition: Tensor, schedule: Schedule, t0: int, noise: Tensor) -> Tensor:
    """x_{t0} = √ᾱ_{t0} condition + √(1 - ᾱ_{t0}) noise (SDEdit; Meng et al., 2022, section 3).

    If sampling starts at t0 < T, it starts at the degraded image with noise that hides the weather.
    condition: (B, C, H, W) in [-1, 1]; noise: standard normal, same shape. Raises ValueError unless
    1 <= t0 <= T.
    """
    _check_start(schedule, t0)
    return schedule.signal(t0) * condition + schedule.noise(t0) * noise


def _checked_start(schedule: Schedule, steps: int, start: int | None) -> int:
    start = schedule.T if start is None else start
    _check_start(schedule, start)
    if not 1 <= steps <= start:
        raise ValueError(f"steps must lie between 1 and the first time {start}, not {steps}")
    return start


def _check_start(schedule: Schedule, start: int) -> None:
    if not 1 <= start <= schedule.T:
        raise ValueError(f"start must lie between 1 and T = {schedule.T}, not {start}")


def _distinct(times: list[int]) -> list[int]:
    """The times, changed where necessary to be strictly falling and above 0."""
    result = []
    for i, t in enumerate(times):
        room = len(times) - i  # number of times left, this one included: the least value for it
        result.append(min(max(t, room), result[-1] - 1 if result else t))
    return result
