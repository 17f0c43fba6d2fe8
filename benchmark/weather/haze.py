"""Haze and fog: Koschmieder's law over a plausible depth map.

    I(x) = J(x) t(x) + A (1 - t(x)),  t(x) = exp(-β d(x))

Koschmieder, "Theorie der horizontalen Sichtweite", 1924; Li et al., "Benchmarking Single-Image
Dehazing and Beyond" (RESIDE), IEEE TIP 2019, equations (1) and (2).

All weather here is added to sRGB values, not to linear light. The data sets to which a method must
carry over (RESIDE, Rain100L, Snow100K) were composed that way, and the tone curve of a real camera
is unknown.
"""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from benchmark.weather.depth import depth_map
from benchmark.weather.layers import Image, Plane, smooth_field, three

_BETA_AT_FULL_STRENGTH = 1.75  # a unit of relative depth; RESIDE draws β from 0.6 to 1.8
Airlight = Sequence[float | Plane]  # three values (R, G, B), each a number or (H, W)


def koschmieder(image: Image, transmission: Plane, airlight: Airlight) -> Image:
    """I = J t + A (1 - t), RESIDE's equation (1).

    image: J, float32 (H, W, 3); transmission: t, float32 (H, W) in [0, 1]; airlight: A, three
    values of about [0, 1], each a number or float32 (H, W). Returns float32 (H, W, 3).
    """
    scattered = 1 - transmission
    return image * three(transmission) + cv2.merge([scattered * np.float32(a) for a in airlight])


def draw_airlight(
    shape: tuple[int, int], rng: np.random.Generator
) -> tuple[Airlight, dict[str, Any]]:
    """The light of the haze: near white with a slight tint, uneven in 40 % of the images.

    shape: (H, W). Returns (airlight for `koschmieder`, what was drawn). RESIDE draws A from 0.7 to
    1; the darker fog of 15 % of the images, the tint and the unevenness were chosen by eye.
    """
    level = rng.uniform(0.72, 1.0) if rng.random() < 0.85 else rng.uniform(0.5, 0.75)
    warmth, green = rng.normal(0.0, 0.02), rng.normal(0.0, 0.008)
    tint = np.array([level + warmth, level + green, level - warmth])
    airlight = [float(a) for a in np.clip(tint, 0.3, 1.0)]
    drawn = {"airlight": [round(a, 4) for a in airlight]}
    if rng.random() < 0.4:
        uneven = float(rng.uniform(0.02, 0.12))
        field = smooth_field(shape, max(shape) * float(rng.uniform(0.4, 1.2)), rng)
        airlight = [a * (1 + uneven * (field - 0.5)) for a in airlight]
        drawn["airlight_unevenness"] = round(uneven, 4)
    return airlight, drawn


def add_haze(
    image: Image, strength: float, rng: np.random.Generator, airlight: Airlight | None = None
) -> tuple[Image, dict[str, Any]]:
    """Hazy image: t = exp(-β d) with β proportional to the strength.

    image: float32 (H, W, 3) in [0, 1]; strength in (0, 1]; airlight: three values in [0, 1], drawn
    if None. Returns (hazy image (H, W, 3), not yet clipped to [0, 1]; what was drawn). How much β
    varies, and how often and how much the density varies over the image, were chosen by eye.
    """
    shape = image.shape[:2]
    depth, depth_drawn = depth_map(image, rng)
    beta = _BETA_AT_FULL_STRENGTH * strength * float(rng.uniform(0.85, 1.15))
    drawn = {"beta": round(beta, 4), "depth": depth_drawn}
    if rng.random() < 0.35:  # banks of fog: the density varies over the image
        patchiness = float(rng.uniform(0.2, 1.0))
        field = smooth_field(shape, max(shape) * float(rng.uniform(0.2, 0.7)), rng)
        depth = depth * (1 + patchiness * (field - 0.5))
        drawn["patchiness"] = round(patchiness, 4)
    if airlight is None:
        airlight, airlight_drawn = draw_airlight(shape, rng)
    else:
        airlight_drawn = {"airlight": [float(a) for a in airlight]}
    transmission = np.exp(-np.float32(beta) * depth)
    mean = round(float(transmission.mean()), 4)
    drawn = {**drawn, **airlight_drawn, "mean_transmission": mean}
    return koschmieder(image, transmission, airlight), drawn
