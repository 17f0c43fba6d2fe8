"""What conditional diffusion methods share: times, noise, evaluation on tiles, posterior steps."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from methods.networks.any_size import grid_shift, tiled

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


def predict_on_tiles(
    predict: Predict,
    condition: Tensor,
    x_t: Tensor,
    t: int,
    tile: int,
    overlap: int,
    step: int = 0,
    batch: int = 1,
) -> Tensor:
    """predict(condition, x_t, times) at one time for all, on tiles where the image is large.

    condition, x_t: (B, 3, H, W); predict gets them cut alike, and (B,) times. Each step of a
    sampler has its own grid of tiles; `batch` tiles are evaluated at once.
    """

    def evaluate(condition: Tensor, x_t: Tensor) -> Tensor:
        return predict(condition, x_t, torch.full((len(x_t),), t, device=x_t.device))

    shift = grid_shift(step, tile, overlap)
    return tiled(evaluate, (condition, x_t), tile, overlap, shift, batch)


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
