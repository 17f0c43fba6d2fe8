"""PSNR and SSIM in float64, on 8-bit images."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from benchmark.scoring.metrics.checks import UndefinedMetric

PEAK = 255.0
K1, K2 = 0.01, 0.03
# ITU-R BT.601 in the 16-235 range: Y = 16 + 65.481 R + 128.553 G + 24.966 B with R, G, B in [0, 1].
LUMA = np.array([65.481, 128.553, 24.966]) / 255


def luma(image: np.ndarray) -> np.ndarray:
    """Y of MATLAB's rgb2ycbcr, unrounded: uint8 (H, W, 3) RGB to float64 (H, W, 1) in [16, 235].

    MATLAB rounds Y when given uint8 and does not when given double. Published deraining scores come
    from both. Not rounding loses nothing and is what reproduces the Rain100L input to every printed
    digit (26.90 dB, SSIM 0.8384; rounding gives 26.90 and 0.8383).
    """
    return (16.0 + image.astype(np.float64) @ LUMA)[..., None]


def psnr(restored: np.ndarray, target: np.ndarray) -> float:
    """10 log10(255² / MSE) in dB, the MSE over all values of two arrays (H, W, C) in [0, 255].

    Identical images have `inf`: a legal value, which `oracle` reaches and which tables and means
    must cope with. It is not replaced by a large number, because any such number would be made up.
    """
    error = np.mean((restored.astype(np.float64) - target.astype(np.float64)) ** 2)
    return math.inf if error == 0 else float(10 * np.log10(PEAK**2 / error))


def psnr_y(restored: np.ndarray, target: np.ndarray) -> float:
    """PSNR of `luma`, with peak 255 although it spans 219 levels: what papers print."""
    return psnr(luma(restored), luma(target))


@dataclass(frozen=True)
class Flavour:
    """What implementations of SSIM differ in.

    kernel: weights along a side of the square window, sum 1. peak: the range that the constants are
    taken from. padded: whether positions count at which the window reaches over the border, onto
    zeros; else only those where it fits. sample: variances divided by N - 1 instead of N.
    """

    kernel: np.ndarray
    peak: float = PEAK
    padded: bool = False
    sample: bool = False


def gaussian(side: int, sigma: float) -> np.ndarray:
    """Weights of a Gaussian window along one side, sum 1."""
    offsets = np.arange(side) - side // 2
    weights = np.exp(-(offsets**2) / (2 * sigma**2))
    return weights / weights.sum()


WANG = Flavour(gaussian(11, 1.5))


def ssim(restored: np.ndarray, target: np.ndarray, flavour: Flavour = WANG) -> float:
    """Mean SSIM over positions and channels of two arrays (H, W, C) in [0, 255]; 1 if identical.

    Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE
    TIP 2004, eq. 13; K1 = 0.01, K2 = 0.03, no downsampling. The default flavour is that of its
    section III-C: an 11x11 Gaussian window (σ = 1.5), range 255, population covariance, only
    positions where the window lies inside the image.

    Raises UndefinedMetric if the image is smaller than the window.
    """
    side = len(flavour.kernel)
    if min(restored.shape[:2]) < side:
        raise UndefinedMetric(
            f"SSIM needs {side}x{side} pixels, the image has "
            f"{restored.shape[1]}x{restored.shape[0]}"
        )
    maps = [
        _ssim_map(*(_plane(image, channel) for image in (restored, target)), flavour)
        for channel in range(restored.shape[2])
    ]
    return float(np.mean([values.mean() for values in maps]))


def ssim_y(restored: np.ndarray, target: np.ndarray) -> float:
    """SSIM of `luma` with range 255."""
    return ssim(luma(restored), luma(target))


def _plane(image: np.ndarray, channel: int) -> np.ndarray:
    return np.ascontiguousarray(image[..., channel], dtype=np.float64)


def _ssim_map(x: np.ndarray, y: np.ndarray, flavour: Flavour) -> np.ndarray:
    """Eq. 13 at every position of two planes (H, W) that counts: (H - 10, W - 10) by default."""
    c1, c2 = (K1 * flavour.peak) ** 2, (K2 * flavour.peak) ** 2
    count = len(flavour.kernel) ** 2
    scale = count / (count - 1) if flavour.sample else 1.0
    mean_x, mean_y = _local_mean(x, flavour), _local_mean(y, flavour)
    squares, product = mean_x**2 + mean_y**2, mean_x * mean_y
    # Only the sum of the two variances is needed, which saves one of five filterings.
    variances = scale * (_local_mean(x * x + y * y, flavour) - squares)
    covariance = scale * (_local_mean(x * y, flavour) - product)
    return ((2 * product + c1) * (2 * covariance + c2)) / ((squares + c1) * (variances + c2))


def _local_mean(plane: np.ndarray, flavour: Flavour) -> np.ndarray:
    """The window's weighted mean at every position that counts."""
    kernel, margin = flavour.kernel, len(flavour.kernel) // 2
    means = cv2.sepFilter2D(plane, cv2.CV_64F, kernel, kernel, borderType=cv2.BORDER_CONSTANT)
    return means if flavour.padded else means[margin:-margin, margin:-margin]
