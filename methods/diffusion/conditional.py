"""What conditional diffusion methods share: times, noise, evaluation on tiles, posterior steps."""

import functools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from methods.networks.any_size import grid_shift, tiled
from methods.networks.tile_settings import TileSettings

Predict = Callable[[Tensor, Tensor, Tensor], Tensor]
Posterior = Callable[[Tensor, Tensor, int, int], tuple[Tensor, float]]


def random_times(count: int, T: int, start_share: float, generator: torch.Generator) -> Tensor:
    """Times to train at: (count,) integers, a share of them T, the rest uniform in 1 ... T."""
    t = torch.randint(1, T + 1, (count,), generator=generator)
    t[torch.rand(count, generator=generator) < start_share] = T
    return t


def per_image_noise(shape: Sequence[int], generators: list[torch.Generator]) -> Tensor:
    """Standard normal (B, *shape) on the CPU, each image from its own generator."""
    return torch.stack([torch.randn(tuple(shape), generator=g) for g in generators])


class TiledPrediction:
    """A sampler's network: called with x_t and one time for all, on tiles where images are large.

    predict: (condition, x_t, times) -> prediction, of (B, 3, H, W) tensors and (B,) times, which
    gets condition and x_t cut alike. Every call is a step with its own grid of tiles, so that their
    seams do not add up in one place.
    """

    def __init__(self, predict: Predict, condition: Tensor, settings: TileSettings):
        self.predict, self.condition, self.step = predict, condition, 0
        first = functools.partial(self._evaluate, t=1)
        self.tile, self.overlap, self.batch = settings.tiles(first, (3, 3), condition)

    def __call__(self, x_t: Tensor, t: int) -> Tensor:
        evaluate = functools.partial(self._evaluate, t=t)
        shift = grid_shift(self.step, self.tile, self.overlap)
        self.step += 1
        inputs = (self.condition, x_t)
        return tiled(evaluate, inputs, self.tile, self.overlap, shift, self.batch)

    def _evaluate(self, condition: Tensor, x_t: Tensor, t: int) -> Tensor:
        return self.predict(condition, x_t, torch.full((len(x_t),), t, device=x_t.device))


def sample_posterior(
    denoise: Callable[[Tensor, int], Tensor],
    x: Tensor,
    posterior: Posterior,
    timesteps: Sequence[int],
    noise: Callable[[], Tensor],
) -> Tensor:
    """Ancestral sampling of any chain: each step draws x_s from q(x_s given x_t, x̂0).

    denoise(x_t, t) -> x̂0; posterior(x_t, x̂0, t, s) -> its mean and standard deviation; x: the
    chain's end, (B, C, H, W); timesteps: falling, and t = 0 follows the last; noise() -> standard
    normal like x. Takes len(timesteps) evaluations of `denoise`.
    """
    for t, s in zip(timesteps, [*timesteps[1:], 0], strict=True):
        x0 = denoise(x, t)
        if s == 0:
            return x0
        mean, deviation = posterior(x, x0, t, s)
        x = mean + deviation * noise()
    return x
