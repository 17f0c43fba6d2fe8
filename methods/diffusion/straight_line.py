"""The straight line from the clean image to a start, and Euler's method along it.

Parts that the flow and the shortcut model share. docs/formulations.md has the equations. As in the
other formulations, t = 0 is the clean image; sampling goes from t = 1, the start, to 0.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from methods.diffusion.preconditioning import residual_estimate

SIGMA = 0.05  # default standard deviation of the noise at a start, for images in [0, 1]
WINDOW = 7  # side of the neighbourhood of `local_mean`, in pixels


@dataclass(frozen=True)
class Line:
    """The straight line from x0 to a start: base + sigma ε, or ε alone if sigma is None.

    base: what is known of x0, (B, 3, H, W) in the [-1, 1] scale; sigma: in that scale, a number or
    of each pixel, (B, 1, H, W).
    """

    base: Tensor
    sigma: Tensor | float | None

    def start(self, noise: Tensor) -> Tensor:
        """The image at t = 1, (B, 3, H, W), for standard normal noise."""
        return noise if self.sigma is None else self.base + self.sigma * noise

    def estimate(
        self,
        network: Callable[[Tensor], Tensor],
        condition: Tensor,
        x_t: Tensor,
        t: Tensor,
        deviation: float,
        noise_seen: bool = False,
    ) -> Tensor:
        """x̂0 from x_t on the line at times t (B,), by a network that is preconditioned.

        deviation: of x0 - base. The rest: see `preconditioning.residual_estimate`.
        """
        t = _per_image(t, x_t)
        if self.sigma is None:
            offset, noise = x_t - (1 - t) * self.base, t
        else:
            offset, noise = x_t - self.base, t * self.sigma
        return residual_estimate(
            network, condition, self.base, offset, 1 - t, noise, deviation, noise_seen
        )


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
