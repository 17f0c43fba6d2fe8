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

    MATLAB rounds Y of uint8 images, but not of double images. Published deraining scores come from
    both. Without rounding nothing is lost, and all printed digits of the Rain100L input are
    reproduced (26.90 dB, SSIM 0.8384; with rounding 26.90 and 0.8383).
    """
    return (16.0 + image.astype(np.float64) @ LUMA)[..., None]


def psnr(restored: np.ndarray, target: np.ndarray) -> float:
    """10 log10(255² / MSE) in dB, the MSE over all values of two arrays (H, W, C) in [0, 255].

    Identical images have `inf`. It is a valid value: `oracle` has it, and tables and means show it.
    It is not replaced by a large number, because any such number would be arbitrary.
    """
    error = np.mean((restored.astype(np.float64) - target.astype(np.float64)) ** 2)
    return math.inf if error == 0 else float(10 * np.log10(PEAK**2 / error))


def psnr_y(restored: np.ndarray, target: np.ndarray) -> float:
    """PSNR of `luma`. The peak is 255, as in papers, although luma has only 219 levels."""
    return psnr(luma(restored), luma(target))


@dataclass(frozen=True)
class Flavour:
    """The parameters in which implementations of SSIM differ.

    kernel: weights along one side of the square window, sum 1. peak: the range of values, which
    scales the constants. padded: also use positions where the window crosses the border, with zeros
    outside; otherwise only positions where it fits. sample: divide variances by N - 1, not N.
    shrink: first scale images down by the nearest integer to (shorter side) / 256, as
    `shrunk_by_integer`.
    """

    kernel: np.ndarray
    peak: float = PEAK
    padded: bool = False
    sample: bool = False
    shrink: bool = False


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
    if flavour.shrink:
        restored, target = shrunk_by_integer(restored), shrunk_by_integer(target)
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


def shrunk_by_integer(image: np.ndarray) -> np.ndarray:
    """An image (H, W, C) scaled down as in the MATLAB code of SSIM's authors of 2009.

    The factor f is the nearest integer to min(H, W) / 256, at least 1: every f-th value of the mean
    over f x f values, with the image mirrored at its border. Halves images from 384 pixels on.
    """
    factor = max(1, math.floor(min(image.shape[:2]) / 256 + 0.5))
    if factor == 1:
        return image
    means = [
        cv2.blur(
            _plane(image, channel), (factor, factor), anchor=((factor - 1) // 2,) * 2,
            borderType=cv2.BORDER_REFLECT,
        )
        for channel in range(image.shape[2])
    ]  # fmt: skip
    return np.stack(means, axis=-1)[::factor, ::factor]


def _plane(image: np.ndarray, channel: int) -> np.ndarray:
    return np.ascontiguousarray(image[..., channel], dtype=np.float64)


def _ssim_map(x: np.ndarray, y: np.ndarray, flavour: Flavour) -> np.ndarray:
    """Eq. 13 of two planes (H, W), at every position that is used: (H - 10, W - 10) by default."""
    c1, c2 = (K1 * flavour.peak) ** 2, (K2 * flavour.peak) ** 2
    count = len(flavour.kernel) ** 2
    scale = count / (count - 1) if flavour.sample else 1.0
    mean_x, mean_y = _local_mean(x, flavour), _local_mean(y, flavour)
    squares, product = mean_x**2 + mean_y**2, mean_x * mean_y
    # Only the sum of the two variances is needed; this saves one of five filter passes.
    variances = scale * (_local_mean(x * x + y * y, flavour) - squares)
    covariance = scale * (_local_mean(x * y, flavour) - product)
    return ((2 * product + c1) * (2 * covariance + c2)) / ((squares + c1) * (variances + c2))


def _local_mean(plane: np.ndarray, flavour: Flavour) -> np.ndarray:
    """The weighted mean of the window at every position that is used."""
    kernel, margin = flavour.kernel, len(flavour.kernel) // 2
    means = cv2.sepFilter2D(plane, cv2.CV_64F, kernel, kernel, borderType=cv2.BORDER_CONSTANT)
    return means if flavour.padded else means[margin:-margin, margin:-margin]
