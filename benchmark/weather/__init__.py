"""Simulated weather: rain, haze, raindrops on the lens, snow, and mixes of them.

`degrade` makes one degraded picture. `training_pair` makes random training pairs. Both depend on
their arguments alone: the same generator state gives the same bits. This room imports `core` only.

The module of each weather names its models, papers and the source of its ranges of numbers. Here,
the strengths and the ranges of `training_pair` were chosen by eye, and the shares of the training
pairs by trial, from the scores of training runs.
"""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.core.alternatives import Alternatives
from benchmark.core.errors import UserError, nearest
from benchmark.weather.haze import add_haze
from benchmark.weather.layers import Image, grey, smooth_field, three
from benchmark.weather.mix import add_mix
from benchmark.weather.rain import add_rain
from benchmark.weather.raindrop import add_raindrops
from benchmark.weather.snow import add_snow

WEATHERS = ("rain", "haze", "raindrop", "snow", "mix")
STRENGTHS = {"light": (0.12, 0.28), "medium": (0.42, 0.58), "heavy": (0.8, 1.0)}

_ADD: Alternatives = {
    "rain": add_rain,
    "haze": add_haze,
    "raindrop": add_raindrops,
    "snow": add_snow,
    "mix": add_mix,
}
# Methods learn to remove haze first and drops last. With too much haze they see haze in all images.
_TRAINING_SHARES = {"rain": 0.21, "haze": 0.18, "raindrop": 0.33, "snow": 0.15, "mix": 0.13}
_CLEAR_SHARE = 0.12  # pairs without weather: a method must learn to leave clear pictures unchanged
_PARTIAL_SHARE = 0.1  # pairs with weather on a part of the picture only
_WHITE_SHARE = 0.35  # of haze: airlight that saturates the camera, as in all of SOTS-indoor
_EXPOSURE_SHARE = 0.3  # pairs of other exposure
# A method must learn that grey concrete under a grey sky is not haze.
_MUTED_SHARE = 0.2  # pairs of less saturated colours
_FLAT_SHARE = 0.2  # pairs of less contrast


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
    """A random training pair from one photograph.

    photo: uint8 (H, W, 3), sRGB; crop: side of the pair in pixels, >= 1; weathers: the kinds to
    draw from, a part of WEATHERS. A square of random size is cut from the photograph, scaled to
    `crop` and flipped; sometimes its exposure, contrast or saturation changes. Then a random kind
    of weather of random strength in (0, 1] is added, in some pairs to a part of the picture only,
    in some none. Returns (clean, degraded), float32 (crop, crop, 3) in [0, 1]. Raises UserError for
    a photograph, crop or weather that is not as described.
    """
    clean = _random_view(photo, crop, rng)
    if rng.random() < _CLEAR_SHARE:
        return clean, clean.copy()
    weather = _random_weather(weathers, rng)
    # In (0, 1], more often strong: faint weather teaches less, above all faint haze, which looks
    # like a pale scene. Exponents chosen by trial.
    strength = (1.0 - rng.random()) ** (0.5 if weather == "haze" else 0.8)
    if weather == "haze" and rng.random() < _WHITE_SHARE:
        hazy, _ = add_haze(clean, strength, rng, [float(rng.uniform(0.94, 1.0))] * 3)
        degraded = np.clip(hazy, 0.0, 1.0)
    else:
        degraded, _ = degrade(clean, weather, strength, rng)
    if rng.random() < _PARTIAL_SHARE:
        field = smooth_field((crop, crop), crop * float(rng.uniform(0.4, 1.0)), rng)
        mask = np.clip((field - rng.uniform(0.2, 0.6)) * 5 + 0.5, 0, 1).astype(np.float32)
        degraded = clean + three(mask) * (degraded - clean)
    return clean, degraded


def _random_weather(weathers: Sequence[str], rng: np.random.Generator) -> str:
    """One of `weathers`, with probabilities in proportion to `_TRAINING_SHARES`."""
    for weather in weathers:
        _check_name(weather)
    shares = np.array([_TRAINING_SHARES[weather] for weather in weathers])
    return str(rng.choice(weathers, p=shares / shares.sum()))


def _check_name(weather: str) -> None:
    if weather not in _ADD:
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


def _random_view(photo: NDArray[np.uint8], crop: int, rng: np.random.Generator) -> Image:
    """A random square of the photograph at a random scale, float32 (crop, crop, 3) in [0, 1]."""
    if not (
        isinstance(photo, np.ndarray)
        and photo.dtype == np.uint8
        and photo.ndim == 3
        and photo.shape[2] == 3
        and photo.size > 0
    ):
        raise UserError("photo must be uint8 of shape (height, width, 3).")
    if crop < 1:
        raise UserError(f"crop {crop} is too small: give at least 1.")
    height, width = photo.shape[:2]
    # From slightly enlarged to 3.5 times reduced: near and far views of all textures.
    side = crop * float(np.exp(rng.uniform(np.log(0.85), np.log(3.5))))
    side = max(1, min(round(side), height, width))
    top = int(rng.integers(height - side + 1))
    left = int(rng.integers(width - side + 1))
    view = photo[top : top + side, left : left + side]
    if side >= 2 * crop:  # halving first gives the same area mean and is three times as fast
        half = side // 2
        view = cv2.resize(view[: 2 * half, : 2 * half], (half, half), interpolation=cv2.INTER_AREA)
    if view.shape[0] != crop:
        method = cv2.INTER_AREA if side > crop else cv2.INTER_CUBIC
        view = cv2.resize(view, (crop, crop), interpolation=method)
    if rng.random() < 0.5:
        view = view[:, ::-1]
    view = cv2.LUT(np.ascontiguousarray(view), _exposure_table(rng))
    if rng.random() < _MUTED_SHARE:
        saturation = np.float32(rng.uniform(0.1, 0.8))
        view = saturation * view + (1 - saturation) * three(grey(view))
    return view


def _exposure_table(rng: np.random.Generator) -> NDArray[np.float32]:
    """Table (1, 256, 3) of values in [0, 1] for the 256 levels of each channel.

    Sometimes with another exposure (a power and a gain for each channel) or less contrast. The
    ranges were chosen by eye.
    """
    table = np.repeat(np.arange(256, dtype=np.float32)[:, None] / np.float32(255), 3, axis=1)
    if rng.random() < _EXPOSURE_SHARE:
        gamma, gain = np.exp(rng.normal(0.0, 0.25)), np.exp(rng.normal(0.0, 0.06, 3))
        table = np.clip(table**gamma * gain, 0.0, 1.0)
    if rng.random() < _FLAT_SHARE:
        middle = rng.uniform(0.25, 0.6)
        table = middle + rng.uniform(0.55, 1.0) * (table - middle)
    return table.astype(np.float32)[None]
