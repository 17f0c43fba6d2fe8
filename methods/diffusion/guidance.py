"""Guidance of a diffusion prior by a model of the weather whose parameters are estimated.

docs/unsupervised.md derives the equations. Images here are (B, 3, H, W) in [-1, 1]; the result for
an image does not depend on the others of its batch.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from methods.classical.haze import estimate_haze
from methods.diffusion.schedule import Schedule

LEAST_TRANSMISSION = 0.05  # below it, the light of the scene is less than the noise
CELL = 8  # pixels; side of the squares with one value of the transmission each
ROUGHNESS = 0.1  # λ: weight of squared differences of neighbouring cells
RATE = 0.01  # of Adam (Kingma and Ba, 2015)


class Weather(Protocol):
    """A model of the weather: the degraded image is y = A(x) + noise for the clean image x.

    start: a first estimate of the clean image, from which sampling starts.
    """

    start: Tensor

    def fit(self, x0: Tensor) -> None:
        """Improve the weather's parameters, given an estimate of the clean image."""

    def energy(self, x0: Tensor, variance: float) -> Tensor:
        """-log p(y | x̂0) plus a constant, summed over the batch, differentiable in x0.

        variance: of the clean image about x0; it adds to that of the noise.
        """


class Haze:
    """Koschmieder's law, y = t x + (1 - t) A, with t and A estimated from y.

    The dark channel prior gives the first estimate, gradient steps the next ones. t has one value
    for each square of CELL×CELL pixels, in [LEAST_TRANSMISSION, 1], and is interpolated between
    them; A is one colour. misfit: standard deviation of the noise; updates: gradient steps at each
    `fit`.
    """

    def __init__(self, y: Tensor, misfit: float, updates: int):
        self.y, self.misfit, self.updates = y, misfit, updates
        t, self.airlight = _dark_channel_estimate(y)
        cells = [-(-side // CELL) for side in y.shape[-2:]]
        share = (F.adaptive_avg_pool2d(t, cells) - LEAST_TRANSMISSION) / (1 - LEAST_TRANSMISSION)
        self.logits = torch.logit(share.clamp(0.01, 0.99))  # where the sigmoid has a gradient
        self.optimizer = torch.optim.Adam(
            [self.logits.requires_grad_(), self.airlight.requires_grad_()], lr=RATE
        )
        with torch.no_grad():
            t = self.transmission()
            self.start = ((y - (1 - t) * self.airlight) / t).clamp(-1, 1)

    def transmission(self) -> Tensor:
        """t (B, 1, H, W)."""
        return F.interpolate(self._cells(), self.y.shape[-2:], mode="bilinear")

    def fit(self, x0: Tensor) -> None:
        """Adam's steps on Σ ‖y - t x̂0 - (1 - t) A‖² + λ Σ (differences of neighbours of t)²."""
        with torch.enable_grad():
            for _ in range(self.updates):
                t = self._cells()
                rough = t.diff(dim=-1).square().sum() + t.diff(dim=-2).square().sum()
                misfit = self._residual(x0).square().mean(dim=1).sum() / CELL**2
                self.optimizer.zero_grad()
                (misfit + ROUGHNESS * rough).backward()
                self.optimizer.step()

    def energy(self, x0: Tensor, variance: float) -> Tensor:
        t = self.transmission().detach()
        total = self.misfit**2 + t**2 * variance
        return (self._residual(x0).square() / (2 * total)).sum()

    def _cells(self) -> Tensor:
        return LEAST_TRANSMISSION + (1 - LEAST_TRANSMISSION) * self.logits.sigmoid()

    def _residual(self, x0: Tensor) -> Tensor:
        t = self.transmission()
        return self.y - t * x0 - (1 - t) * self.airlight


class Layer:
    """y = x + s with a layer s >= 0 of white streaks or flakes, 0 at most pixels.

    threshold: the least excess of y over an estimate of x, in the mean of the colours, that counts
    as weather. misfit: standard deviation of the noise.
    """

    def __init__(self, y: Tensor, misfit: float, threshold: float):
        self.start = self.y = y
        self.misfit, self.threshold = misfit, threshold

    def fit(self, x0: Tensor) -> None:
        """Does nothing: `layer` is computed from each estimate."""

    def layer(self, x0: Tensor) -> Tensor:
        """s = max(mean(y - x̂0) - threshold, 0), (B, 1, H, W), with the mean over the colours."""
        excess = (self.y - x0).mean(dim=1, keepdim=True)
        return (excess - self.threshold).clamp(min=0)

    def energy(self, x0: Tensor, variance: float) -> Tensor:
        # s is the minimiser for this x0, so it is constant in the gradient (envelope theorem).
        residual = self.y - x0 - self.layer(x0.detach())
        return residual.square().sum() / (2 * (self.misfit**2 + variance))


def guided(
    estimate: Callable[[Tensor, int], Tensor],
    weather: Weather,
    schedule: Schedule,
    variance: Callable[[float, float], float],
    scale: float,
    through_network: bool,
) -> Callable[[Tensor, int], Tensor]:
    """A denoiser for the samplers: the estimate of x0, corrected by the likelihood of y.

        x̂0' = x̂0 + scale (b²/a) ∇_{x_t} log p(y | x̂0)   if through_network
        x̂0' = x̂0 + scale r² ∇_{x̂0} log p(y | x̂0)        else

    with a = √ᾱ_t and b = √(1 - ᾱ_t). The second form takes ∂x̂0/∂x_t = a r²/b², which is exact for
    Gaussian data. estimate(x_t, t) -> x̂0, called once; variance(a, b) -> r², that of x0 about x̂0;
    scale: 1 is Bayes' rule, 0 no guidance. torch.inference_mode must be off.
    """

    def denoise(x_t: Tensor, t: int) -> Tensor:
        signal, noise = schedule.signal(t), schedule.noise(t)
        spread = variance(signal, noise)
        with torch.set_grad_enabled(through_network):
            x_t = x_t.detach().requires_grad_(through_network)
            x0 = estimate(x_t, t)
        weather.fit(x0.detach())
        with torch.enable_grad():
            if through_network:
                at, rate = x_t, noise**2 / signal
            else:
                at, rate = x0.requires_grad_(), spread
            (gradient,) = torch.autograd.grad(weather.energy(x0, spread), at)
        return x0.detach() - scale * rate * gradient

    return denoise


def _dark_channel_estimate(y: Tensor) -> tuple[Tensor, Tensor]:
    """Transmission (B, 1, H, W) in [0, 1] and air light (B, 3, 1, 1) of hazy images in [-1, 1]."""
    images = np.ascontiguousarray(((y + 1) / 2).cpu().numpy().transpose(0, 2, 3, 1))
    lights, transmissions = zip(*(estimate_haze(image) for image in images), strict=True)
    t = torch.from_numpy(np.stack(transmissions))[:, None].clamp(0, 1)
    light = torch.from_numpy(np.stack(lights))[:, :, None, None]
    return t.to(y), (2 * light - 1).to(y)
