"""Dehazing with the dark channel prior and guided-filter refinement.

Equation numbers are those of He, Sun, Tang, TPAMI 33(12), 2011. Images here are arrays (H, W, 3)
in [0, 1], maps are (H, W).
"""

import cv2
import numpy as np
from pydantic import Field

from benchmark.method import Card, Method, Settings
from methods.classical import for_each_image
from methods.classical.guided_filter import guided_filter

DARKEST_LIGHT = 1 / 255  # keeps the division by A finite on a black image


class Parameters(Settings):
    """The published settings. Radii are in pixels."""

    patch_radius: int = Field(7, ge=0)  # 15×15 patches
    omega: float = Field(0.95, gt=0, le=1)  # some haze is kept: without any, depth looks unnatural
    minimum_transmission: float = Field(0.1, gt=0, le=1)  # t0
    brightest: float = Field(0.001, gt=0, le=1)  # share of the dark channel that gives A
    guide_radius: int = Field(60, ge=0)
    guide_eps: float = Field(1e-3, gt=0)


class DarkChannel(Method):
    """Inverts the haze model I = J t + A (1 − t), with t from the darkest value of each patch."""

    card = Card(
        title="Dark channel prior",
        citation=(
            "He, Sun, Tang: Single Image Haze Removal Using Dark Channel Prior, CVPR 2009, "
            "TPAMI 33(12), 2011; refined with Guided Image Filtering, TPAMI 35(6), 2013"
        ),
        url="https://doi.org/10.1109/TPAMI.2010.168",
        licence="own implementation",
        supervision="none",
        description=(
            "Nearly every patch of a clear photo has a pixel that is dark in some colour: light "
            "found there is haze. Bright or white things (sky, snow, walls, lamps) break this; "
            "they are taken for haze and darkened. Runs on the CPU."
        ),
        # Not "mix": it inverts haze alone, and drops, streaks and flakes corrupt what it measures.
        weathers=("haze",),
    )
    Parameters = Parameters

    def restore(self, degraded, variant: Settings, generators):
        return for_each_image(self._dehaze, degraded)

    def _dehaze(self, image: np.ndarray) -> np.ndarray:
        p = self.parameters
        light = atmospheric_light(image, p.patch_radius, p.brightest)
        coarse = transmission(image, light, p.patch_radius, p.omega)
        fine = guided_filter(image, coarse, p.guide_radius, p.guide_eps)
        return radiance(image, light, np.clip(fine, p.minimum_transmission, 1))


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
