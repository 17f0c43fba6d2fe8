"""Parts of all diffusion methods: random times, noise, and evaluation on tiles."""

import functools
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from methods.diffusion.schedule import on_device
from methods.networks.any_size import grid_shift, tiled
from methods.networks.tile_settings import TileSettings

Predict = Callable[[Tensor, Tensor, Tensor], Tensor]


def random_times(
    count: int,
    T: int,
    start_share: float,
    generator: torch.Generator,
    times: Tensor | None = None,
) -> Tensor:
    """Times of a training batch: (count,) integers on the generator's device.

    Each is T with the probability start_share (sampling starts there), else one of `times`, all
    with the same probability; without `times`, of 1 ... T.
    """
    device = generator.device
    if times is None:
        t = torch.randint(1, T + 1, (count,), generator=generator, device=device)
    else:
        place = torch.randint(len(times), (count,), generator=generator, device=device)
        t = on_device(times, device)[place]
    at_start = torch.rand(count, generator=generator, device=device) < start_share
    return t.masked_fill(at_start, T)


def normal_like(x: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal noise like x, drawn on the generator's device in float32."""
    return torch.randn(x.shape, generator=generator, device=generator.device).to(x)


def training_noise(
    x0: Tensor,
    T: int,
    start_share: float,
    generator: torch.Generator,
    times: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Times (B,) by `random_times`, and normal noise like x0 (B, C, H, W), both on its device."""
    t = random_times(len(x0), T, start_share, generator, times).to(x0.device)
    return t, normal_like(x0, generator)


def share_of(share: float, pairs: int, generator: torch.Generator) -> int:
    """A share of a batch's pairs as a whole number, rounded up or down so that the mean is exact.

    The rounding follows from the generator's seed, so that no value is read back from a GPU.
    """
    return math.floor(share * pairs + generator.initial_seed() % 997 / 997)


def per_image_noise(shape: Sequence[int], generators: list[torch.Generator]) -> Tensor:
    """Standard normal (B, *shape) on the CPU, each image from its own generator."""
    return torch.stack([torch.randn(tuple(shape), generator=g) for g in generators])


def noise_source(like: Tensor, generators: list[torch.Generator]) -> Callable[[], Tensor]:
    """A function that returns new noise like (B, C, H, W), by `per_image_noise`."""
    return lambda: per_image_noise(like.shape[1:], generators).to(like)


class TiledPrediction:
    """A sampler's network: called with x_t and one time for the whole batch; in tiles if large.

    predict: (condition, x_t, times) -> prediction, of (B, C, H, W), (B, 3, H, W) and (B,). It gets
    the same tile of condition and x_t. Each call is a step of the sampler and has its own grid of
    tiles, so that the seams of different steps lie in different places.

    to_image: turns prediction, x_t and time into an image in [-1, 1], tile by tile; None if predict
    returns such images. whole: restores a photo of the size of a tile, (B, 3, h, w) in [0, 1], by
    all steps. The tiles of a larger photo then follow its restoration at low resolution
    (`methods.networks.whole_photo`); the first three channels of `condition` are the photo.
    """

    def __init__(
        self,
        predict: Predict,
        condition: Tensor,
        settings: TileSettings,
        whole: Callable[[Tensor], Tensor] | None = None,
        to_image: Callable[[Tensor, Tensor, int], Tensor] | None = None,
    ):
        self.predict, self.condition, self.step = predict, condition, 0
        self.to_image = to_image
        first = functools.partial(self._predict, t=1)
        channels = (condition.shape[1], 3)
        self.tile, self.overlap, self.batch = settings.tiles(first, channels, condition)
        self.photo = None
        if whole is not None:
            self.photo = settings.whole_photo(
                lambda small: 2 * whole((small + 1) / 2) - 1, condition[:, :3], self.tile, scale=2
            )

    def __call__(self, x_t: Tensor, t: int) -> Tensor:
        evaluate = functools.partial(self._evaluate, t=t)
        shift = grid_shift(self.step, self.tile, self.overlap)
        self.step += 1
        inputs = (self.condition, x_t)
        adjust = self.photo and self.photo.match
        return tiled(evaluate, inputs, self.tile, self.overlap, shift, self.batch, adjust)

    def _evaluate(self, condition: Tensor, x_t: Tensor, t: int) -> Tensor:
        prediction = self._predict(condition, x_t, t)
        return prediction if self.to_image is None else self.to_image(prediction, x_t, t)

    def _predict(self, condition: Tensor, x_t: Tensor, t: int) -> Tensor:
        return self.predict(condition, x_t, torch.full((len(x_t),), t, device=x_t.device))
