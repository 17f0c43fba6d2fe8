"""PSNR and SSIM in float64, on 8-bit images."""

import math

import cv2
import numpy as np

from benchmark.metrics.checks import UndefinedMetric

PEAK = 255.0
WINDOW = 11
SIGMA = 1.5
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


def ssim(restored: np.ndarray, target: np.ndarray) -> float:
    """Mean SSIM over positions and channels of two arrays (H, W, C) in [0, 255]; 1 if identical.

    Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE
    TIP 2004, eq. 13 with the 11x11 Gaussian window (σ = 1.5) of its section III-C; K1 = 0.01,
    K2 = 0.03, range 255, population (not sample) covariance, only positions where the window lies
    inside the image, no downsampling.

    Raises UndefinedMetric if the image is smaller than the window.
    """
    if min(restored.shape[:2]) < WINDOW:
        raise UndefinedMetric(
            f"SSIM needs {WINDOW}x{WINDOW} pixels, the image has "
            f"{restored.shape[1]}x{restored.shape[0]}"
        )
    return float(np.mean([_ssim_map(*(_plane(i, c) for i in (restored, target))).mean()
                          for c in range(restored.shape[2])]))  # fmt: skip


def _plane(image: np.ndarray, channel: int) -> np.ndarray:
    return np.ascontiguousarray(image[..., channel], dtype=np.float64)


def _ssim_map(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Eq. 13 at every valid position of two planes (H, W): (H - 10, W - 10)."""
    c1, c2 = (K1 * PEAK) ** 2, (K2 * PEAK) ** 2
    mean_x, mean_y = _local_mean(x), _local_mean(y)
    squares, product = mean_x**2 + mean_y**2, mean_x * mean_y
    # Only the sum of the two variances is needed, which saves one of five filterings.
    variances = _local_mean(x * x + y * y) - squares
    covariance = _local_mean(x * y) - product
    return ((2 * product + c1) * (2 * covariance + c2)) / ((squares + c1) * (variances + c2))


def _local_mean(plane: np.ndarray) -> np.ndarray:
    """Gaussian-weighted mean at every position whose window lies inside the plane."""
    offsets = np.arange(WINDOW) - WINDOW // 2
    window = np.exp(-(offsets**2) / (2 * SIGMA**2))
    window /= window.sum()
    margin = WINDOW // 2
    return cv2.sepFilter2D(plane, cv2.CV_64F, window, window)[margin:-margin, margin:-margin]
