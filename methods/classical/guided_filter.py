"""The guided filter (He, Sun, Tang: "Guided Image Filtering", TPAMI 35(6), 2013)."""

import cv2
import numpy as np


def box_mean(image: np.ndarray, radius: int) -> np.ndarray:
    """The mean over a (2 radius + 1)² window, counting only pixels inside the image.

    image: (H, W) or (H, W, C); returned in double precision. The radius may exceed the image: each
    pixel then gets the mean of the whole image.
    """
    height, width = image.shape[:2]
    size = (2 * min(radius, width - 1) + 1, 2 * min(radius, height - 1) + 1)

    def box_sum(values: np.ndarray) -> np.ndarray:
        return cv2.boxFilter(values, -1, size, normalize=False, borderType=cv2.BORDER_CONSTANT)

    count = box_sum(np.ones((height, width)))
    total = box_sum(image.astype(np.float64)).reshape(image.shape)
    return total / (count if image.ndim == 2 else count[..., None])


def guided_filter(guide: np.ndarray, source: np.ndarray, radius: int, eps: float) -> np.ndarray:
    """Smooth `source` while keeping the edges of `guide`.

    guide: (H, W), or (H, W, 3) for a colour guide; source: (H, W). Each window fits
    source ≈ a · guide + b by least squares with the penalty eps |a|², and each pixel takes the mean
    of the fits of all windows that cover it (the paper's algorithm 1; colour: its section on colour
    filtering). In double precision: variances are differences of nearly equal numbers.
    """
    guide, source = guide.astype(np.float64), source.astype(np.float64)
    if guide.ndim == 2:
        return _grey(guide, source, radius, eps)
    return _colour(guide, source, radius, eps)


def _grey(guide, source, radius, eps):
    mean_guide, mean_source = box_mean(guide, radius), box_mean(source, radius)
    variance = box_mean(guide * guide, radius) - mean_guide**2
    covariance = box_mean(guide * source, radius) - mean_guide * mean_source
    a = covariance / (variance + eps)
    b = mean_source - a * mean_guide
    return box_mean(a, radius) * guide + box_mean(b, radius)


def _colour(guide, source, radius, eps):
    mean_guide, mean_source = box_mean(guide, radius), box_mean(source, radius)
    covariance = box_mean(guide * source[..., None], radius) - mean_guide * mean_source[..., None]
    rows = [
        box_mean(guide * guide[..., [channel]], radius) - mean_guide * mean_guide[..., [channel]]
        for channel in range(3)
    ]
    a = _solve_symmetric(rows, covariance, eps)
    b = mean_source - (a * mean_guide).sum(axis=-1)
    return (box_mean(a, radius) * guide).sum(axis=-1) + box_mean(b, radius)


def _solve_symmetric(rows, right_side, eps):
    """Solve (Σ + eps 1) a = right_side for symmetric 3×3 matrices Σ, given by their rows.

    Written out (the inverse's rows are cross products): several times faster than calling LAPACK
    once a pixel.
    """
    first, second, third = (row + eps * np.eye(3)[i] for i, row in enumerate(rows))
    cofactors = np.cross(second, third), np.cross(third, first), np.cross(first, second)
    determinant = (first * cofactors[0]).sum(axis=-1, keepdims=True)
    return sum(c * right_side[..., [i]] for i, c in enumerate(cofactors)) / determinant
