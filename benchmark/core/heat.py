"""Maps of numbers as pictures: black is 0, then violet, red and yellow."""

import cv2
import numpy as np


def heat_map(values: np.ndarray, top: float) -> np.ndarray:
    """uint8 (H, W, 3) from numbers (H, W) >= 0, which are bright yellow from `top` on.

    The colours are those of "inferno": they grow brighter evenly, and colour-blind readers can tell
    them apart.
    """
    levels = np.clip(np.rint(255 * values / top), 0, 255).astype(np.uint8)
    return cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)


def top_of(*maps: np.ndarray) -> float:
    """A common `top` of several maps: the largest of their 99th percentiles, at least 1."""
    return max(1.0, *(float(np.percentile(values, 99)) for values in maps))
