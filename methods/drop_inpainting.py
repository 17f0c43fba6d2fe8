"""Raindrops on the lens: bright, round, blurred blobs are found and inpainted.

The camera focuses on the scene, so a drop on the lens is out of focus: a disc of light with a soft
edge in front of a sharp scene. `find_drops` finds such discs; they are filled from their
surroundings. The detector is this project's own; the card cites its parts.
Images are float32 arrays (H, W, 3) in [0, 1]; planes and masks are (H, W).
"""

import cv2
import numpy as np
from pydantic import Field

from benchmark import Card, Method, Settings, to_float, to_uint8
from methods.classical import for_each_image

MARGIN = 2  # pixels around a blob that belong to its edge
LEVELS = (1, 2, 4)  # thresholds of the bright layer, in units of `height`


class Parameters(Settings):
    """Lengths in pixels, brightness in [0, 1]; tuned on 40 photographs with simulated drops."""

    smoothing: float = Field(2.0, gt=0)  # standard deviation; finer structures are no drops
    largest: int = Field(41, ge=1)  # diameter; wider structures are background
    height: float = Field(0.02, gt=0)  # least brightness above the surroundings
    smallest_area: int = Field(40, ge=1)
    elongation: float = Field(4.0, ge=1)  # of the bounding box, at most
    solidity: float = Field(0.8, ge=0, le=1)  # area over that of the convex hull, at least
    steepness: float = Field(0.16, gt=0)  # slope over the height of the blob, per pixel, at most
    grow: int = Field(2, ge=0)  # the faint rim of a drop is outside the blob found
    radius: float = Field(3.0, gt=0)  # of the neighbourhood that fills a pixel
    feather: float = Field(1.0, gt=0)  # standard deviation of the seam's blur


class DropInpainting(Method):
    """Fills blobs that are bright, compact and softer than the scene from their surroundings."""

    card = Card(
        title="Drop inpainting",
        citation=(
            "composed of: top-hat by opening (Serra: Image Analysis and Mathematical Morphology, "
            "Academic Press 1982); Telea: An Image Inpainting Technique Based on the Fast Marching "
            "Method, Journal of Graphics Tools 9(1), 2004"
        ),
        licence="own implementation; OpenCV's inpainting (Apache-2.0)",
        supervision="none",
        description=(
            "Finds bright, compact blobs with soft edges, which are defocused drops, and fills "
            "them from their surroundings. It leaves clear images unchanged, but misses most "
            "drops: dark, sharp and overlapping ones, and those over texture. So it is hardly "
            "better than the input. Runs on the CPU."
        ),
        weathers=("raindrop",),
    )
    Parameters = Parameters

    def restore(self, degraded, variant: Settings, generators):
        return for_each_image(self._remove, degraded)

    def _remove(self, image: np.ndarray) -> np.ndarray:
        p = self.parameters
        drops = find_drops(image.mean(axis=2), p)
        if not drops.any():
            return image
        filled = to_float(cv2.inpaint(to_uint8(image), drops, p.radius, cv2.INPAINT_TELEA))
        weight = cv2.GaussianBlur(drops.astype(np.float32), (0, 0), p.feather)[..., None]
        return image + weight * (filled - image)


def find_drops(grey: np.ndarray, p: Parameters) -> np.ndarray:
    """Mask (H, W) of the drops in a float32 plane in [0, 1]: uint8, 1 in a drop and 0 outside.

    Blobs at the image border are left out, because smooth background there looks like half a drop.
    """
    rows, columns = grey.shape
    smooth = cv2.GaussianBlur(grey, (0, 0), p.smoothing)
    bright = smooth - cv2.morphologyEx(smooth, cv2.MORPH_OPEN, disc(p.largest))
    slope = slopes(grey)
    drops = np.zeros(grey.shape, np.uint8)
    for level in LEVELS:  # drops on a brighter ground separate only at a higher one
        above = (bright > level * p.height).astype(np.uint8)
        _, labels, boxes, _ = cv2.connectedComponentsWithStats(above, connectivity=4)
        for label, (left, top, width, height, area) in enumerate(boxes[1:], start=1):
            whole = left > 0 and top > 0 and left + width < columns and top + height < rows
            if not (whole and _has_size_of_drop(width, height, area, p)):
                continue
            box = np.s_[
                max(0, top - MARGIN) : top + height + MARGIN,
                max(0, left - MARGIN) : left + width + MARGIN,
            ]
            blob = (labels[box] == label).astype(np.uint8)
            if is_compact(blob, p) and is_soft(blob, bright[box], slope[box], p):
                drops[box] |= blob
    return cv2.dilate(drops, disc(2 * p.grow + 1))


def _has_size_of_drop(width: int, height: int, area: int, p: Parameters) -> bool:
    elongation = max(width, height) / min(width, height)
    return p.smallest_area <= area <= p.largest**2 * np.pi / 4 and elongation <= p.elongation


def is_compact(blob: np.ndarray, p: Parameters) -> bool:
    """Whether the outline of a mask is nearly convex; that of overlapping drops is not."""
    contours, _ = cv2.findContours(blob, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hull = cv2.contourArea(cv2.convexHull(contours[0]))
    return hull > 0 and cv2.contourArea(contours[0]) >= p.solidity * hull


def is_soft(blob: np.ndarray, bright: np.ndarray, slope: np.ndarray, p: Parameters) -> bool:
    """Whether a blob rises slowly for its height and has no sharp detail.

    blob: mask; bright: the bright layer, of which the blob is the support; slope: of the image, per
    pixel; all (h, w). The 95th percentile of the slope counts, so that single noisy pixels do not.
    """
    around = cv2.dilate(blob, np.ones((2 * MARGIN + 1, 2 * MARGIN + 1), np.uint8))
    steepest = np.percentile(slope[around > 0], 95)
    return steepest <= p.steepness * bright[blob > 0].max()


def slopes(grey: np.ndarray) -> np.ndarray:
    """Length of the gradient (H, W), in brightness per pixel (Sobel's operator)."""
    return np.hypot(*(cv2.Sobel(grey, cv2.CV_32F, dx, 1 - dx, scale=1 / 8) for dx in (0, 1)))


def disc(diameter: int) -> np.ndarray:
    """A round structuring element."""
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (diameter, diameter))
