"""The clean picture of a training pair: a random square of a photograph, its tones changed.

All ranges were chosen by eye. The scales go from slightly enlarged to 3.5 times reduced: near and
far views of all textures.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.core.errors import UserError
from benchmark.weather.layers import Image, grey, three

_EXPOSURE_SHARE = 0.3  # another exposure, and another gain for each channel
_FLAT_SHARE = 0.2  # less contrast: a method must learn that grey concrete is not haze
# The shares from here on are low by trial: with more of such tones, methods take tones for haze.
_HARD_SHARE = 0.08  # more contrast: black shadows and burnt-out lights
_FADED_SHARE = 0.05  # blacks lifted and tinted, as on old film
_NIGHT_SHARE = 0.05  # dark, with lights that stay bright
_MUTED_SHARE = 0.2  # less saturated colours
_GREY_SHARE = 0.03  # without colour
_VIVID_SHARE = 0.05  # more saturated colours


def random_view(photo: NDArray[np.uint8], crop: int, rng: np.random.Generator) -> Image:
    """A random square of the photograph at a random scale, float32 (crop, crop, 3) in [0, 1].

    photo: uint8 (H, W, 3), sRGB; crop: side in pixels, >= 1. Raises UserError for others.
    """
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
    view = cv2.LUT(np.ascontiguousarray(view), tone_table(rng))
    return _saturate(view, rng)


def tone_table(rng: np.random.Generator) -> NDArray[np.float32]:
    """Table (1, 256, 3) of values in [0, 1] for the 256 levels of each channel, not decreasing."""
    table = np.repeat(np.arange(256, dtype=np.float32)[:, None] / np.float32(255), 3, axis=1)
    if rng.random() < _EXPOSURE_SHARE:
        gamma, gain = np.exp(rng.normal(0.0, 0.25)), np.exp(rng.normal(0.0, 0.06, 3))
        table = np.clip(table**gamma * gain, 0.0, 1.0)
    contrast = rng.random()
    middle = rng.uniform(0.25, 0.6)
    if contrast < _FLAT_SHARE:
        table = middle + rng.uniform(0.55, 1.0) * (table - middle)
    elif contrast < _FLAT_SHARE + _HARD_SHARE:
        table = np.clip(middle + rng.uniform(1.0, 1.8) * (table - middle), 0.0, 1.0)
    if rng.random() < _FADED_SHARE:
        amount, level = rng.uniform(0.05, 0.35), rng.uniform(0.0, 0.45)
        table = table + amount * (np.clip(level + rng.normal(0.0, 0.12, 3), 0, 1) - table)
    if rng.random() < _NIGHT_SHARE:
        dark = rng.uniform(0.15, 0.6)
        table = table ** rng.uniform(1.3, 2.5) * (dark + (1 - dark) * table**3)
        table *= np.exp(rng.normal(0.0, 0.1, 3))
    return np.clip(table, 0.0, 1.0).astype(np.float32)[None]


def _saturate(view: Image, rng: np.random.Generator) -> Image:
    """The view with another saturation, in some pairs."""
    kind = rng.random()
    if kind < _GREY_SHARE:
        return three(grey(view))
    if kind < _GREY_SHARE + _MUTED_SHARE:
        saturation = np.float32(rng.uniform(0.1, 0.8))
    elif kind < _GREY_SHARE + _MUTED_SHARE + _VIVID_SHARE:
        saturation = np.float32(rng.uniform(1.1, 1.6))
    else:
        return view
    return np.clip(saturation * view + (1 - saturation) * three(grey(view)), 0.0, 1.0)
