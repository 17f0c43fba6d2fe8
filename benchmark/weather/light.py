"""Gamma-coded values and linear light: the sRGB tone curve of IEC 61966-2-1.

A camera adds light, and then codes it. Public data sets add coded values (RESIDE, Rain100L,
Snow100K). The two differ: haze in linear light hides dark parts more, bright parts less. A method
must carry over to both, so training pairs are made both ways.
"""

import cv2
import numpy as np

from benchmark.weather.layers import Image, Plane


def to_linear(image: Image) -> Image:
    """Linear light in [0, 1] of sRGB values in [0, 1], float32 (H, W) or (H, W, 3)."""
    curve = cv2.pow((image + np.float32(0.055)) * np.float32(1 / 1.055), 2.4)
    return np.where(image <= 0.04045, image * np.float32(1 / 12.92), curve)


def to_srgb(light: Image) -> Image:
    """sRGB values in [0, 1] of linear light, which is clipped to [0, 1]: inverse of `to_linear`."""
    light = np.clip(light, 0.0, 1.0)
    curve = np.float32(1.055) * cv2.pow(light, 1 / 2.4) - np.float32(0.055)
    return np.where(light <= 0.0031308, light * np.float32(12.92), curve)


def cover(image: Image, clear: Plane, colour: tuple[float, float, float], linear: bool) -> Image:
    """The image behind something of one colour: image · clear + colour · (1 - clear).

    image: float32 (H, W, 3), sRGB in [0, 1]; clear: float32 (H, W), the share of light that passes,
    in [0, 1]; colour: sRGB in [0, 1]; linear: whether light is added, or sRGB values. Returns
    float32 (H, W, 3), sRGB.
    """
    light = np.array(colour, np.float32).reshape(1, 1, 3)
    if linear:
        image, light = to_linear(np.clip(image, 0.0, 1.0)), to_linear(light)
    passing = cv2.merge((clear, clear, clear))
    mixed = image * passing + (1 - passing) * light
    return to_srgb(mixed) if linear else mixed
