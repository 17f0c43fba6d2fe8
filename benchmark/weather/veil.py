"""Haze of every density over the depth of a landscape or a room, in coded values or linear light.

Koschmieder's law, as in `haze`. The farthest point keeps the share t_far of its light: 1 for clear
air, 0.03 for dense fog. Strength 1 is 0.03 = exp(-3.5). For comparison: the 13 pairs of SOTS-indoor
looked at have t of 0.3 to 0.9 and a white airlight of 0.98 to 1; RESIDE draws the airlight from 0.7
to 1 for each channel (Li et al., IEEE TIP 2019); RIDCP (Wu et al., CVPR 2023) from 0.25 to 1 with
±0.025 in each channel. The shares were chosen by trial: with more dim or tinted airlight, methods
take the tones of films and of dusk for haze.
"""

from typing import Any

import numpy as np

from benchmark.weather.depth import depth_map
from benchmark.weather.haze import koschmieder
from benchmark.weather.layers import Image, smooth_field
from benchmark.weather.light import to_linear, to_srgb
from benchmark.weather.room import room_depth

_DENSEST = 3.5  # optical depth of the farthest point at strength 1
_ROOM_SHARE = 0.6
_WHITE_SHARE = 0.7  # airlight that saturates the camera
_DIM_SHARE = 0.06  # airlight in proportion to the brightness of the scene
_LINEAR_SHARE = 0.25


def add_veil(
    image: Image, strength: float, rng: np.random.Generator
) -> tuple[Image, dict[str, Any]]:
    """Hazy image. image: float32 (H, W, 3) in [0, 1]; strength in (0, 1].

    Returns (image (H, W, 3), not yet clipped to [0, 1]; what was drawn).
    """
    room = bool(rng.random() < _ROOM_SHARE)
    depth, _ = (room_depth if room else depth_map)(image, rng)
    density = _DENSEST * strength**1.2 * float(rng.uniform(0.8, 1.0))
    if rng.random() < 0.2:  # banks of fog
        patches = smooth_field(depth.shape, max(depth.shape) * float(rng.uniform(0.2, 0.7)), rng)
        depth = depth * (1 + float(rng.uniform(0.2, 1.0)) * (patches - 0.5))
    transmission = np.exp(-np.float32(density) * depth)
    airlight = draw_airlight(image, rng)
    linear = bool(rng.random() < _LINEAR_SHARE)
    if linear:
        light = to_linear(np.array(airlight, np.float32).reshape(1, 1, 3)).ravel()
        hazy = to_srgb(koschmieder(to_linear(image), transmission, light))
    else:
        hazy = koschmieder(image, transmission, airlight)
    return hazy, {
        "room": room,
        "density": round(density, 4),
        "airlight": [round(a, 4) for a in airlight],
        "linear": linear,
    }


def draw_airlight(image: Image, rng: np.random.Generator) -> list[float]:
    """The colour of the air: R, G, B in [0.05, 1].

    White, or of a level for each channel, or dim: a part of the brightness of the image's brightest
    1 % (a night, a grey day). image: float32 (H, W, 3) in [0, 1].
    """
    kind = rng.random()
    if kind < _WHITE_SHARE:
        return [float(rng.uniform(0.95, 1.0))] * 3
    if kind < _WHITE_SHARE + _DIM_SHARE:
        level = float(np.percentile(image[::4, ::4], 99)) * rng.uniform(0.5, 1.05)
        tint = rng.normal(0.0, 0.02, 3)
    else:
        level, tint = rng.uniform(0.65, 1.0), rng.normal(0.0, 0.015, 3)
    return [float(a) for a in np.clip(level + tint * level, 0.05, 1.0)]
