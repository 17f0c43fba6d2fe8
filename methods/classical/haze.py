"""The haze model and the dark channel prior.

Equation numbers are those of He, Sun, Tang, TPAMI 33(12), 2011. Images here are arrays (H, W, 3)
in [0, 1], maps are (H, W).
"""

import cv2
import numpy as np

from benchmark.core.guided_filter import guided_filter

DARKEST_LIGHT = 1 / 255  # keeps the division by A finite on a black image


def estimate_haze(
    image: np.ndarray,
    patch_radius: int = 7,
    omega: float = 0.95,
    brightest: float = 0.001,
    guide_radius: int = 60,
    guide_eps: float = 1e-3,
) -> tuple[np.ndarray, np.ndarray]:
    """Air light (3,) and transmission (H, W), refined along the edges of the image.

    The settings are the published ones: 15×15 patches; a share 1 - ω of the haze is kept, as depth
    looks unnatural without any. The transmission is not kept above 0 nor below 1.
    """
    light = atmospheric_light(image, patch_radius, brightest)
    coarse = transmission(image, light, patch_radius, omega)
    return light, guided_filter(image, coarse, guide_radius, guide_eps)


def dark_channel(image: np.ndarray, patch_radius: int) -> np.ndarray:
    """The darkest colour value of each patch (eq. 5); patches end at the image border."""
    size = 2 * patch_radius + 1
    return cv2.erode(image.min(axis=2), np.ones((size, size), np.uint8))


def atmospheric_light(image: np.ndarray, patch_radius: int, brightest: float) -> np.ndarray:
    """The colour (3,) of the haziest pixels: the `brightest` share of the dark channel.

    Their mean is taken, where the paper picks the brightest of them: a lamp or a reflection among
    them then changes little. Ties at the threshold all count, so that no order of pixels matters.
    """
    dark = dark_channel(image, patch_radius)
    count = max(1, round(brightest * dark.size))
    threshold = np.partition(dark, -count, axis=None)[-count]
    return np.maximum(image[dark >= threshold].mean(axis=0, dtype=np.float64), DARKEST_LIGHT)


def transmission(
    image: np.ndarray, light: np.ndarray, patch_radius: int, omega: float
) -> np.ndarray:
    """t = 1 − ω · dark channel of I/A (eq. 12), constant over a patch: to be refined."""
    return 1 - omega * np.minimum(dark_channel(image / light, patch_radius), 1)


def radiance(image: np.ndarray, light: np.ndarray, transmission: np.ndarray) -> np.ndarray:
    """J = (I − A)/t + A (eq. 22, where t has been kept above t0)."""
    return (image - light) / transmission[..., None] + light
