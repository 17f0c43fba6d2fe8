"""Haze and fog: Koschmieder's law over a plausible depth map.

All weather here works on sRGB values, not on linear light: the data sets that it must carry over
to (RESIDE's haze, Rain100L, Snow100K) were composed that way, and a real camera's tone curve is
unknown anyway.
"""

import cv2
import numpy as np

from benchmark.weather.depth import depth_map
from benchmark.weather.layers import smooth_field, three

_BETA_AT_FULL_STRENGTH = 1.75  # RESIDE draws beta from 0.6 to 1.8


def koschmieder(image, transmission, airlight):
    """I = J t + A (1 - t): Koschmieder 1924; Li et al., RESIDE, TIP 2019, equations (1) and (2).

    image: (H, W, 3); transmission: (H, W) in [0, 1]; airlight: three values, each a number or
    (H, W). Everything float32. Returns (H, W, 3).
    """
    scattered = 1 - transmission
    return image * three(transmission) + cv2.merge([scattered * np.float32(a) for a in airlight])


def draw_airlight(shape, rng):
    """The light of the haze, near white with a slight tint, as `koschmieder` takes it."""
    level = rng.uniform(0.72, 1.0) if rng.random() < 0.85 else rng.uniform(0.5, 0.75)
    warmth, green = rng.normal(0.0, 0.02), rng.normal(0.0, 0.008)
    tint = np.array([level + warmth, level + green, level - warmth])
    airlight = [float(a) for a in np.clip(tint, 0.3, 1.0)]
    parameters = {"airlight": [round(a, 4) for a in airlight]}
    if rng.random() < 0.4:
        uneven = float(rng.uniform(0.02, 0.12))
        field = smooth_field(shape, max(shape) * float(rng.uniform(0.4, 1.2)), rng)
        airlight = [a * (1 + uneven * (field - 0.5)) for a in airlight]
        parameters["airlight_unevenness"] = round(uneven, 4)
    return airlight, parameters


def add_haze(image, strength, rng, airlight=None):
    """Hazy image: t = exp(-beta d) with scattering `beta` proportional to the strength.

    image: float32 (H, W, 3) in [0, 1]; strength in (0, 1]; airlight: three values in [0, 1], drawn
    if None. Returns (hazy image, parameters).
    """
    shape = image.shape[:2]
    depth, depth_parameters = depth_map(image, rng)
    beta = _BETA_AT_FULL_STRENGTH * strength * float(rng.uniform(0.85, 1.15))
    parameters = {"beta": round(beta, 4), "depth": depth_parameters}
    if rng.random() < 0.35:  # banks of fog: the density itself varies
        patchiness = float(rng.uniform(0.2, 1.0))
        field = smooth_field(shape, max(shape) * float(rng.uniform(0.2, 0.7)), rng)
        depth = depth * (1 + patchiness * (field - 0.5))
        parameters["patchiness"] = round(patchiness, 4)
    if airlight is None:
        airlight, airlight_parameters = draw_airlight(shape, rng)
        parameters |= airlight_parameters
    else:
        parameters["airlight"] = [float(a) for a in airlight]
    transmission = np.exp(-np.float32(beta) * depth)
    parameters["mean_transmission"] = round(float(transmission.mean()), 4)
    return koschmieder(image, transmission, airlight), parameters
