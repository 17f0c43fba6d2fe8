"""Dehazing with the dark channel prior, refined by a guided filter.

The prior is in `methods.classical.haze`. Images here are arrays (H, W, 3) in [0, 1].
"""

import numpy as np
from pydantic import Field

from benchmark import Card, Method, Settings
from methods.classical import for_each_image
from methods.classical.haze import estimate_haze, radiance


class Parameters(Settings):
    """The published settings. Radii are in pixels."""

    patch_radius: int = Field(7, ge=0)  # 15×15 patches
    omega: float = Field(0.95, gt=0, le=1)  # below 1, distant haze stays and depth looks natural
    minimum_transmission: float = Field(0.1, gt=0, le=1)  # t0
    brightest: float = Field(0.001, gt=0, le=1)  # share of the dark channel that gives A
    guide_radius: int = Field(60, ge=0)
    guide_eps: float = Field(1e-3, gt=0)


class DarkChannel(Method):
    """Solves the haze model I = J t + A (1 − t) for J, with t from each patch's darkest value."""

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
            "In a clear photo, nearly every patch has a pixel that is dark in one colour; light in "
            "that pixel is haze. For bright or white objects (sky, snow, walls, lamps) this is "
            "wrong: they are darkened. Runs on the CPU."
        ),
        # Not "mix": drops, streaks and flakes disturb the estimate of the haze.
        weathers=("haze",),
    )
    Parameters = Parameters

    def restore(self, degraded, variant: Settings, generators):
        return for_each_image(self._dehaze, degraded)

    def _dehaze(self, image: np.ndarray) -> np.ndarray:
        p = self.parameters
        light, transmission = estimate_haze(
            image, p.patch_radius, p.omega, p.brightest, p.guide_radius, p.guide_eps
        )
        return radiance(image, light, np.clip(transmission, p.minimum_transmission, 1))
