"""The straight line from the clean image to a start, and Euler's method along it.

Parts that the flow and the shortcut model share. docs/formulations.md has the equations. As in the
other formulations, t = 0 is the clean image; sampling goes from t = 1, the start, to 0.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

SIGMA = 0.05  # default standard deviation of the noise at a start, for images in [0, 1]
WINDOW = 7  # side of the neighbourhood of `local_mean`, in pixels


def random_times(count: int, start_share: float, generator: torch.Generator) -> Tensor:
    """Times of a training batch: (count,) in (0, 1], float32 on the generator's device.

    Each is 1 with the probability start_share (sampling starts there), else uniform.
    """
    device = generator.device
    t = 1 - torch.rand(count, generator=generator, device=device)
    at_start = torch.rand(count, generator=generator, device=device) < start_share
    return t.masked_fill(at_start, 1)


def point(x0: Tensor, start: Tensor, t: Tensor) -> Tensor:
    """x_t = (1 - t) x0 + t start, for images (B, C, H, W) and times (B,)."""
    t = _per_image(t, x0)
    return (1 - t) * x0 + t * start


def step(x_t: Tensor, x0: Tensor, t: Tensor | float, s: Tensor | float) -> Tensor:
    """x_s for s < t, if the velocity (x_t - x0)/t stays the same: (s/t) x_t + (1 - s/t) x0.

    This is Euler's step. t, s: numbers, or times (B,).
    """
    kept = _per_image(s / t, x_t)
    return kept * x_t + (1 - kept) * x0


def end(x_t: Tensor, x_s: Tensor, t: Tensor, s: Tensor) -> Tensor:
    """The point at time 0 of the line through x_t and x_s: the x0 with which `step` gives x_s."""
    kept = _per_image(s / t, x_t)
    return (x_s - kept * x_t) / (1 - kept)


def euler(denoise: Callable[[Tensor, float], Tensor], start: Tensor, steps: int) -> Tensor:
    """x_0 by `steps` even steps of Euler's method from the start (B, C, H, W), at t = 1.

    denoise(x_t, t) -> x̂0. It is evaluated once a step; the last step returns its estimate.
    """
    x = start
    for i in range(steps, 0, -1):
        x = step(x, denoise(x, i / steps), i / steps, (i - 1) / steps)
    return x


def damped(x_t: Tensor, t: Tensor) -> Tensor:
    """The best linear estimate of x0 from x_t = (1 - t) x0 + t ε, for data of variance 1.

    It vanishes where x_t is noise alone, so that a network need not learn to ignore that noise.
    """
    t = _per_image(t, x_t)
    return (1 - t) / ((1 - t) ** 2 + t**2) * x_t


def check_sigma(start: str, sigma: float) -> None:
    """Raise ValueError for a standard deviation that the start `noise` would not use."""
    if start == "noise" and sigma != SIGMA:
        raise ValueError("sigma: start 'noise' is noise of standard deviation 1. Remove sigma")


def local_mean(image: Tensor) -> Tensor:
    """Mean over the channels and WINDOW² pixels around each, (B, C, H, W) to (B, 1, H, W)."""
    grey = image.mean(1, keepdim=True)
    return F.avg_pool2d(grey, WINDOW, stride=1, padding=WINDOW // 2, count_include_pad=False)


def _per_image(t: Tensor | float, like: Tensor) -> Tensor | float:
    """Times (B,) as (B, 1, 1, 1), of the type and device of `like`; a number as it is."""
    return t if isinstance(t, float) else t.view(-1, 1, 1, 1).to(like)
