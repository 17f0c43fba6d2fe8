"""Rain and snow removal by directional morphology, refined with the guided filter.

The method is composed of published parts, so that it removes both kinds of weather in milliseconds:

- image = background + weather, and weather is bright and thin (Kang, Lin, Fu, TIP 21(4), 2012;
  Zheng et al., ICONIP 2013, where the result must not exceed the input).
- An opening by a line removes thin bright structures; openings by lines of many directions
  distinguish streaks from blobs (Soille, Talbot: Directional Morphological Filtering, TPAMI 23(11),
  2001).
- All streaks have one direction; they are long in it and thin across (Deng et al., AMM 59, 2018).
- Guided filtering smooths the pixels under removed weather (Xu et al., CSAE 2012; Zheng et al.).

Own addition: both layers have a weight, which is small if they look like texture.
Images here are float32 arrays (H, W, 3) in [0, 1]; planes are (H, W).
"""

from collections.abc import Callable

import cv2
import numpy as np
from pydantic import Field

from benchmark import Card, Method, Settings
from benchmark.core.guided_filter import guided_filter
from methods.classical import for_each_image

TINY = 1e-12  # keeps ratios of energies finite
BLOB_DIRECTIONS = (0.0, 45.0, 90.0, 135.0)

Ramp = tuple[float, float]  # the values of a measure at which the weight of a layer is 0 and 1


class Parameters(Settings):
    """Lengths in pixels, angles in degrees; tuned on 28 photographs with simulated weather."""

    streak_width: int = Field(7, ge=1)  # wider structures are background
    streak_length: int = Field(9, ge=1)  # shorter structures are no streaks
    directions: int = Field(18, ge=1)  # tried over 180°
    largest_slant: float = Field(60, ge=0, le=90)  # of falling rain, from the vertical
    dominance: Ramp = (3.0, 8.0)  # energy of the strongest direction over the median of all
    flake_width: int = Field(9, ge=1)
    darkness: Ramp = (0.7, 0.2)  # energy of dark blobs over that of bright ones
    guide_radius: int = Field(2, ge=0)
    guide_eps: float = Field(1e-3, gt=0)
    uncovered: float = Field(0.05, gt=0)  # light removed from a pixel at which it is fully smoothed


class DirectionalOpening(Method):
    """Subtracts bright streaks of the dominant direction, then bright blobs."""

    card = Card(
        title="Directional opening",
        citation=(
            "composed of: Soille, Talbot: Directional Morphological Filtering, TPAMI 23(11), 2001; "
            "Zheng, Liao, Guo, Fu, Ding: Single-Image-Based Rain and Snow Removal Using "
            "Multi-guided Filter, ICONIP 2013; Deng, Huang, Zhao, Jiang: A Directional Global "
            "Sparse Model for Single Image Rain Removal, Applied Mathematical Modelling 59, 2018"
        ),
        licence="own implementation",
        supervision="none",
        description=(
            "Removes bright, thin structures of one direction as rain, and bright blobs as snow, "
            "and leaves the image unchanged if neither is stronger than the texture. Grass and "
            "railings are removed as rain; a veil and flakes wider than 8 pixels stay. Runs on the "
            "CPU."
        ),
        weathers=("rain", "snow"),
    )
    Parameters = Parameters

    def restore(self, degraded, variant: Settings, generators):
        return for_each_image(self._remove, degraded)

    def _remove(self, image: np.ndarray) -> np.ndarray:
        background = self._without_streaks(image)
        background = self._without_flakes(background)
        return self._smooth_uncovered(background, image)

    def _without_streaks(self, image: np.ndarray) -> np.ndarray:
        p = self.parameters
        angle, dominance = dominant_direction(
            image.mean(axis=2), p.streak_width, p.streak_length, p.directions, p.largest_slant
        )
        weight = ramp(dominance, *p.dominance)
        if weight == 0:
            return image
        layer = each_channel(lambda x: streaks(x, angle, p.streak_width, p.streak_length), image)
        return image - weight * layer

    def _without_flakes(self, image: np.ndarray) -> np.ndarray:
        """Flakes are bright; texture has dark blobs of about the same energy as bright ones."""
        p = self.parameters
        grey = image.mean(axis=2)
        bright, dark = energy(blobs(grey, p.flake_width)), energy(blobs(1 - grey, p.flake_width))
        weight = ramp(dark / (bright + TINY), *p.darkness)
        if weight == 0:
            return image
        return image - weight * each_channel(lambda x: blobs(x, p.flake_width), image)

    def _smooth_uncovered(self, background: np.ndarray, image: np.ndarray) -> np.ndarray:
        """Guided filtering of the pixels under removed weather, because openings leave steps."""
        p = self.parameters
        removed = (image - background).max(axis=2, keepdims=True)
        if removed.max() <= 0:
            return background
        guide = background.mean(axis=2)
        smooth = each_channel(
            lambda x: guided_filter(guide, x, p.guide_radius, p.guide_eps), background
        )
        mask = np.minimum(removed / p.uncovered, 1)
        # Weather adds light, so the result must not be brighter than the input.
        return np.minimum(background + mask * (smooth - background), image)


def line(length: int, angle: float) -> np.ndarray:
    """A digital line through the centre, at `angle` degrees anticlockwise from horizontal.

    A structuring element (uint8, odd square), symmetric about its centre, as OpenCV's opening
    requires. An even length counts as the next odd one.
    """
    half = length // 2
    steps = np.arange(-half, half + 1)
    columns = np.round(steps * np.cos(np.deg2rad(angle))).astype(int)
    rows = np.round(-steps * np.sin(np.deg2rad(angle))).astype(int)
    element = np.zeros((2 * half + 1, 2 * half + 1), np.uint8)
    element[rows + half, columns + half] = 1
    return element


def opening(plane: np.ndarray, length: int, angle: float) -> np.ndarray:
    """The plane (H, W) without bright structures shorter than `length` in a direction."""
    return cv2.morphologyEx(plane, cv2.MORPH_OPEN, line(length, angle))


def streaks(plane: np.ndarray, angle: float, width: int, length: int) -> np.ndarray:
    """The bright layer (H, W) >= 0 that is thin (`width`) across a direction and long along it."""
    thin = plane - opening(plane, width, angle + 90)
    return opening(thin, length, angle)


def blobs(plane: np.ndarray, width: int) -> np.ndarray:
    """The bright layer (H, W) >= 0 that is thinner than `width` in every direction.

    The residue of an algebraic opening, the maximum of the openings by lines: neither lines nor
    edges are in it.
    """
    return plane - np.maximum.reduce([opening(plane, width, angle) for angle in BLOB_DIRECTIONS])


def dominant_direction(
    grey: np.ndarray, width: int, length: int, directions: int, largest_slant: float
) -> tuple[float, float]:
    """The falling direction (degrees) with the highest energy of streaks, and its dominance.

    The dominance is that energy over the median of all directions: about 1 for texture without a
    direction.
    """
    angles = np.arange(directions) * 180 / directions
    energies = np.array([energy(streaks(grey, angle, width, length)) for angle in angles])
    falling = np.abs(angles - 90) <= largest_slant
    if not falling.any():
        return 90.0, 0.0
    best = int(np.argmax(np.where(falling, energies, -1)))
    return float(angles[best]), float(energies[best] / (np.median(energies) + TINY))


def energy(layer: np.ndarray) -> float:
    """Mean square of a layer."""
    return float(np.mean(np.square(layer, dtype=np.float64)))


def ramp(value: float, zero: float, one: float) -> np.float32:
    """0 up to `zero`, 1 from `one` on, linear between them; `zero` may be larger than `one`."""
    return np.float32(np.clip((value - zero) / (one - zero), 0, 1))


def each_channel(function: Callable[[np.ndarray], np.ndarray], image: np.ndarray) -> np.ndarray:
    """Apply a function of a plane (H, W) to each channel of an image (H, W, 3)."""
    planes = [function(np.ascontiguousarray(image[..., c])) for c in range(image.shape[2])]
    return np.stack(planes, axis=2).astype(np.float32)
