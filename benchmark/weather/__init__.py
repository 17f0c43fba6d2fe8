"""Simulated weather: rain, haze, raindrops on the lens, snow, and mixes of them.

`degrade` makes one degraded picture. `training_pair` makes random training pairs. Both depend on
their arguments alone: the same generator state gives the same bits. This room imports `core` only.

The module of each weather names its models, papers and the source of its ranges of numbers. Here,
the strengths and the ranges of `training_pair` were chosen by eye, and the shares of the training
pairs by trial, from the scores of training runs.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.core.alternatives import Alternatives
from benchmark.core.errors import UserError, nearest
from benchmark.weather import pairs
from benchmark.weather.haze import add_haze
from benchmark.weather.layers import Image
from benchmark.weather.mix import add_mix
from benchmark.weather.rain import add_rain
from benchmark.weather.raindrop import add_raindrops
from benchmark.weather.snow import add_snow

# Versions of the simulation: of `training_pair`, and of `degrade`, which made the data set's val
# and test pairs. A change of what is drawn is a new version (`benchmark.results.simulation`).
TRAINING_VERSION = 2
PAIRS_VERSION = 1

WEATHERS = ("rain", "haze", "raindrop", "snow", "mix")
STRENGTHS = {"light": (0.12, 0.28), "medium": (0.42, 0.58), "heavy": (0.8, 1.0)}

_ADD: Alternatives = {
    "rain": add_rain,
    "haze": add_haze,
    "raindrop": add_raindrops,
    "snow": add_snow,
    "mix": add_mix,
}


def degrade(
    image: Image, weather: str, strength: float, rng: np.random.Generator
) -> tuple[Image, dict[str, Any]]:
    """Add weather to a clean image.

    image: float32 (H, W, 3), sRGB in [0, 1], any H, W >= 1. weather: one of WEATHERS. strength: in
    [0, 1]; 0 returns the image unchanged. rng: the only source of randomness; its state advances.

    Returns (degraded float32 (H, W, 3) in [0, 1]; what was drawn for the weather, JSON-able:
    single drops, streaks and flakes are counted, not listed). Raises UserError for an unknown
    weather, a strength out of range and an image that is not as described.
    """
    _check(image, weather, strength)
    if strength == 0:
        return image.copy(), {}
    degraded, drawn = _ADD[weather](image, float(strength), rng)
    return np.clip(degraded, 0.0, 1.0).astype(np.float32, copy=False), drawn


def training_pair(
    photo: NDArray[np.uint8],
    crop: int,
    rng: np.random.Generator,
    weathers: Sequence[str] = WEATHERS,
) -> tuple[Image, Image]:
    """A random training pair, (clean, degraded): see `pairs.training_pair`.

    weathers: the kinds to draw from, a part of WEATHERS. Also raises UserError for other names.
    """
    for weather in weathers:
        _check_name(weather)
    return pairs.training_pair(photo, crop, rng, weathers)


def _check_name(weather: str) -> None:
    if weather not in WEATHERS:
        raise UserError(f"weather '{weather}' is unknown.{nearest(weather, WEATHERS)}")


def _check(image: Image, weather: str, strength: float) -> None:
    _check_name(weather)
    if not 0 <= strength <= 1:
        raise UserError(f"strength {strength} is out of range: give a number from 0 to 1.")
    if not (
        isinstance(image, np.ndarray)
        and image.dtype == np.float32
        and image.ndim == 3
        and image.shape[2] == 3
        and image.size > 0
    ):
        what = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image)
        raise UserError(f"image is {what}: give float32 of shape (height, width, 3).")
    if not (image.min() >= 0 and image.max() <= 1):
        raise UserError("image has values outside [0, 1]: divide 8-bit values by 255.")
