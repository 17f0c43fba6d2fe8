"""The haze model and the dark channel prior.

Equation numbers are those of He, Sun, Tang, TPAMI 33(12), 2011. Images here are arrays (H, W, 3)
in [0, 1], maps are (H, W).
"""

import cv2
import numpy as np

from benchmark.core.guided_filter import guided_filter

DARKEST_LIGHT = 1 / 255  # least value of A: the division by A is finite on a black image


def estimate_haze(
    image: np.ndarray,
    patch_radius: int = 7,
    omega: float = 0.95,
    brightest: float = 0.001,
    guide_radius: int = 60,
    guide_eps: float = 1e-3,
) -> tuple[np.ndarray, np.ndarray]:
    """Atmospheric light (3,) and transmission (H, W), refined along the edges of the image.

    image: float32 (H, W, 3) in [0, 1]. The settings are the published ones: 15×15 patches; a share
    1 - ω of the haze stays, because images without any haze look unnatural. The transmission may
    lie outside [0, 1].
    """
    light = atmospheric_light(image, patch_radius, brightest)
    coarse = transmission(image, light, patch_radius, omega)
    return light, guided_filter(image, coarse, guide_radius, guide_eps)


def dark_channel(image: np.ndarray, patch_radius: int) -> np.ndarray:
    """The darkest colour value of each patch (eq. 5): (H, W); patches end at the image border."""
    size = 2 * patch_radius + 1
    return cv2.erode(image.min(axis=2), np.ones((size, size), np.uint8))


def atmospheric_light(image: np.ndarray, patch_radius: int, brightest: float) -> np.ndarray:
    """The colour (3,) of the haziest pixels: the `brightest` share of the dark channel.

    The mean of these pixels; the paper takes the brightest of them. So a lamp or a reflection has
    little effect. All pixels at the threshold count, so that the order of pixels does not matter.
    """
    dark = dark_channel(image, patch_radius)
    count = max(1, round(brightest * dark.size))
    threshold = np.partition(dark, -count, axis=None)[-count]
    return np.maximum(image[dark >= threshold].mean(axis=0, dtype=np.float64), DARKEST_LIGHT)


def transmission(
    image: np.ndarray, light: np.ndarray, patch_radius: int, omega: float
) -> np.ndarray:
    """t = 1 − ω · dark channel of I/A (eq. 12): (H, W), coarse because patches are large."""
    return 1 - omega * np.minimum(dark_channel(image / light, patch_radius), 1)


def radiance(image: np.ndarray, light: np.ndarray, transmission: np.ndarray) -> np.ndarray:
    """J = (I − A)/t + A (eq. 22, without its lower bound of t): (H, W, 3)."""
    return (image - light) / transmission[..., None] + light
