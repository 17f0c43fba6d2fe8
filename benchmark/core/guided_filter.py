"""The guided filter: smooths one image and keeps the edges of another, the guide.

He, Sun and Tang, "Guided Image Filtering", IEEE TPAMI 35(6), 2013; equation numbers are theirs. In
each window ω_k the output is a linear function of the guide I:

    q_i = a_k I_i + b_k  for i in ω_k                                                      (4)
    a_k = cov_k(I, p) / (var_k(I) + ε)                                                     (5)
    b_k = mean_k(p) - a_k mean_k(I)                                                        (6)
    q_i = ā_i I_i + b̄_i                                                                    (8)

p is the source; ā_i and b̄_i are the means of a_k and b_k over the windows that cover pixel i. For a
guide of three colours, a_k is a vector and var_k the 3×3 covariance matrix Σ_k (equation 14):
a_k = (Σ_k + ε 1)⁻¹ cov_k(I, p).

The users differ in the box mean alone. `box_mean` counts the pixels inside the image, in double
precision, because variances are differences of nearly equal numbers. `reflected_box_mean` mirrors
the image at its border and keeps float32, which is faster and enough for a smooth depth map.
"""

from collections.abc import Callable

import cv2
import numpy as np

BoxMean = Callable[[np.ndarray, int], np.ndarray]


def box_mean(image: np.ndarray, radius: int) -> np.ndarray:
    """The mean over a (2 radius + 1)² window, of the pixels inside the image only.

    image: (H, W) or (H, W, C). Returns the same shape in double precision. The radius may exceed
    the image: each pixel then gets the mean of the whole image.
    """
    height, width = image.shape[:2]
    size = (2 * min(radius, width - 1) + 1, 2 * min(radius, height - 1) + 1)

    def box_sum(values: np.ndarray) -> np.ndarray:
        return cv2.boxFilter(values, -1, size, normalize=False, borderType=cv2.BORDER_CONSTANT)

    count = box_sum(np.ones((height, width)))
    total = box_sum(image.astype(np.float64)).reshape(image.shape)
    return total / (count if image.ndim == 2 else count[..., None])


def reflected_box_mean(image: np.ndarray, radius: int) -> np.ndarray:
    """The mean over a (2 radius + 1)² window of the image mirrored at its border.

    image: float32 (H, W) or (H, W, C). Returns the same shape and type.
    """
    size = (2 * radius + 1, 2 * radius + 1)
    return cv2.blur(image, size, borderType=cv2.BORDER_REFLECT)


def guided_filter(guide: np.ndarray, source: np.ndarray, radius: int, eps: float) -> np.ndarray:
    """Equation (8) in double precision, with `box_mean`.

    guide: (H, W), or (H, W, 3) for a colour guide; source: (H, W), usually both in [0, 1]; radius:
    of the windows in pixels, >= 0; eps: ε > 0, in squared units of the guide. Returns (H, W).
    """
    guide, source = guide.astype(np.float64), source.astype(np.float64)
    a, b = guided_coefficients(guide, source, radius, eps)
    return (a * guide if guide.ndim == 2 else (a * guide).sum(axis=-1)) + b


def guided_coefficients(
    guide: np.ndarray, source: np.ndarray, radius: int, eps: float, mean: BoxMean = box_mean
) -> tuple[np.ndarray, np.ndarray]:
    """ā (shape of the guide) and b̄ (H, W) of equation (8); arguments as for `guided_filter`.

    Both are smooth. So they may be found on a reduced image and then enlarged (He and Sun, "Fast
    Guided Filter", arXiv:1505.00996, 2015). mean(image, radius): the box mean, which
    sets the border and the precision.
    """
    mean_guide, mean_source = mean(guide, radius), mean(source, radius)
    if guide.ndim == 2:
        covariance = mean(guide * source, radius) - mean_guide * mean_source
        variance = mean(guide * guide, radius) - mean_guide * mean_guide
        a = covariance / (variance + eps)
        b = mean_source - a * mean_guide
    else:
        covariance = mean(guide * source[..., None], radius) - mean_guide * mean_source[..., None]
        rows = [
            mean(guide * guide[..., [channel]], radius) - mean_guide * mean_guide[..., [channel]]
            for channel in range(3)
        ]
        a = _solve_symmetric(rows, covariance, eps)
        b = mean_source - (a * mean_guide).sum(axis=-1)
    return mean(a, radius), mean(b, radius)


def _solve_symmetric(rows: list[np.ndarray], right_side: np.ndarray, eps: float) -> np.ndarray:
    """Solve (Σ + eps 1) a = right_side at each pixel by Cramer's rule.

    rows: the three rows, each (H, W, 3), of symmetric 3×3 matrices Σ; right_side: (H, W, 3). The
    rows of the adjugate are cross products, which is several times faster than one call of LAPACK
    for each pixel.
    """
    first, second, third = (row + eps * np.eye(3)[i] for i, row in enumerate(rows))
    cofactors = np.cross(second, third), np.cross(third, first), np.cross(first, second)
    determinant = (first * cofactors[0]).sum(axis=-1, keepdims=True)
    return sum(c * right_side[..., [i]] for i, c in enumerate(cofactors)) / determinant
