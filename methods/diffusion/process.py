"""Processes from the clean image x0 to the degraded image y plus noise, and their reversal.

Parts that residual shifting, the mean-reverting SDE and the bridge share. docs/formulations.md has
the equations.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from pydantic import Field
from torch import Tensor

from methods.diffusion.conditional import Predict, TiledPrediction, noise_source, training_noise
from methods.diffusion.preconditioning import residual_estimate
from methods.diffusion.schedule import uniform_timesteps
from methods.networks.tile_settings import TileSettings


class Variant(TileSettings):
    """steps (= NFE), 1 to T; the rest: tiles of large images, see
    `methods.networks.tile_settings.TileSettings`."""

    steps: int = Field(default=4, ge=1)


class Process(Protocol):
    """A Gaussian process x_t = y + a_t (x0 - y) + b_t ε, t = 0 ... T, from x_0 to y + noise.

    Images are (B, C, H, W) in the [-1, 1] scale.
    """

    @property
    def T(self) -> int:
        """The last time."""

    @property
    def end_deviation(self) -> float:
        """Standard deviation of x_T about y, where sampling starts."""

    def coefficients(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """a_t and b_t for (B,) times, as (B, 1, 1, 1) of the type and device of `like`."""

    def posterior(self, x_t: Tensor, x0: Tensor, y: Tensor, t: int, s: int) -> tuple[Tensor, float]:
        """Mean and standard deviation of p(x_s given x_t, x0, y), for any 0 <= s < t."""


def sampled_coefficients(process: Process, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    """a_t and b_t as in `Process`, but at t = T those of what sampling starts from.

    There the process keeps a small share a_T of x0 - y, which sampling does not have: it is 0.
    """
    signal, noise = process.coefficients(t, like)
    at_start = (t == process.T).view(-1, 1, 1, 1)
    return signal.masked_fill(at_start, 0), noise.masked_fill(at_start, process.end_deviation)


def diffuse(
    process: Process, x0: Tensor, y: Tensor, t: Tensor, epsilon: Tensor, sampled: bool = False
) -> Tensor:
    """x_t at times t (B,) with the noise epsilon, standard normal. sampled: by
    `sampled_coefficients`."""
    if sampled:
        signal, noise = sampled_coefficients(process, t, x0)
    else:
        signal, noise = process.coefficients(t, x0)
    return y + signal * (x0 - y) + noise * epsilon


def training_sample(
    process: Process,
    clean: Tensor,
    degraded: Tensor,
    start_share: float,
    generator: torch.Generator,
    sampled: bool = True,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """x0, y, x_t, t (B,) and ε at random times; see `conditional.random_times` for start_share.

    clean, degraded: (B, 3, H, W) in [0, 1]. sampled: see `diffuse`.
    """
    x0, y = 2 * clean - 1, 2 * degraded - 1
    t, epsilon = training_noise(x0, process.T, start_share, generator)
    return x0, y, diffuse(process, x0, y, t, epsilon, sampled), t, epsilon


def estimate(
    process: Process,
    network: Callable[[Tensor, Tensor], Tensor],
    y: Tensor,
    x_t: Tensor,
    t: Tensor,
    deviation: float,
) -> Tensor:
    """x̂0 by a network that is preconditioned for residuals x0 - y of this standard deviation.

    network: (inputs (B, 6, H, W), t / T) -> (B, 3, H, W). See
    `preconditioning.residual_estimate`. y, x_t: (B, 3, H, W) in the [-1, 1] scale; t: (B,).
    """
    signal, noise = sampled_coefficients(process, t, x_t)
    return residual_estimate(
        lambda x: network(x, t / process.T),
        condition=y, base=y, offset=x_t - y, signal=signal, noise=noise, deviation=deviation,
    )  # fmt: skip


def restore(
    process: Process,
    estimate: Predict,
    degraded: Tensor,
    variant: Variant,
    generators: list[torch.Generator],
) -> Tensor:
    """Sample the clean image from x_T = y + noise to t = 0, in `variant.steps` even steps.

    estimate(y, x_t, t) -> x̂0 in the [-1, 1] scale; it is clamped to [-1, 1], because its errors are
    large near t = T. degraded: (B, 3, H, W) in [0, 1]. Returns the same shape and range.
    """
    y = 2 * degraded - 1
    predict = TiledPrediction(
        estimate, y, variant, lambda small: restore(process, estimate, small, variant, generators)
    )
    noise = noise_source(y, generators)

    def denoise(x_t: Tensor, t: int) -> Tensor:
        return predict(x_t, t).clamp(-1, 1)

    def posterior(x_t: Tensor, x0: Tensor, t: int, s: int) -> tuple[Tensor, float]:
        return process.posterior(x_t, x0, y, t, s)

    times = uniform_timesteps(process.T, variant.steps)
    start = y + process.end_deviation * noise()
    return (sample_posterior(denoise, start, posterior, times, noise) + 1) / 2


def sample_posterior(
    denoise: Callable[[Tensor, int], Tensor],
    x: Tensor,
    posterior: Callable[[Tensor, Tensor, int, int], tuple[Tensor, float]],
    timesteps: Sequence[int],
    noise: Callable[[], Tensor],
) -> Tensor:
    """Ancestral sampling of any chain: each step draws x_s from p(x_s given x_t, x̂0).

    denoise(x_t, t) -> x̂0; posterior(x_t, x̂0, t, s) -> its mean and standard deviation; x: the
    chain's end, (B, C, H, W); timesteps: falling, and t = 0 follows the last; noise() -> standard
    normal, shaped like x. Takes len(timesteps) evaluations of `denoise`.
    """
    for t, s in zip(timesteps, [*timesteps[1:], 0], strict=True):
        x0 = denoise(x, t)
        if s == 0:
            return x0
        mean, deviation = posterior(x, x0, t, s)
        x = mean + deviation * noise()
    return x
