"""Image sizes, luma and SSIM of published papers.

They follow the evaluation code that the protocols name, only for comparison with printed numbers.
The suite's own protocols score images unchanged.
"""

import math

import numpy as np
from PIL import Image

from benchmark.scoring.metrics.checks import UndefinedMetric
from benchmark.scoring.metrics.pixel import PEAK, Flavour, gaussian, luma, psnr, ssim

MULTIPLE = 16
LONGEST = 1024
# ITU-R BT.601, full range, in the order blue, green, red.
BGR_LUMA = np.array([0.114, 0.587, 0.299])
# scikit-image's defaults: a 7x7 mean, and for float images the range 2 (from -1 to 1).
UNIFORM = Flavour(np.full(7, 1 / 7), peak=2 * PEAK, sample=True)
PADDED = Flavour(gaussian(11, 1.5), padded=True)
SHRUNK = Flavour(gaussian(11, 1.5), shrink=True)
BORDER = 4  # pixels that WeatherBench cuts off each side


def psnr_y_8bit(restored: np.ndarray, target: np.ndarray) -> float:
    """PSNR of `luma_8bit`."""
    return psnr(luma_8bit(restored), luma_8bit(target))


def ssim_y_8bit(restored: np.ndarray, target: np.ndarray) -> float:
    """SSIM of `luma_8bit`."""
    return ssim(luma_8bit(restored), luma_8bit(target))


def luma_8bit(image: np.ndarray) -> np.ndarray:
    """Y of MATLAB's rgb2ycbcr for 8-bit images, which rounds: uint8 (H, W, 3) to (H, W, 1)."""
    return np.floor(luma(image) + 0.5)


def ssim_y_shrunk(restored: np.ndarray, target: np.ndarray) -> float:
    """SSIM of `luma`; images whose shorter side has 384 pixels or more are scaled down first."""
    return ssim(luma(restored), luma(target), SHRUNK)


def psnr_y_inside(restored: np.ndarray, target: np.ndarray) -> float:
    """PSNR of `luma` without four pixels at each side."""
    return psnr(_inside(luma(restored)), _inside(luma(target)))


def ssim_y_inside(restored: np.ndarray, target: np.ndarray) -> float:
    """SSIM of `luma` without four pixels at each side."""
    return ssim(_inside(luma(restored)), _inside(luma(target)))


def _inside(image: np.ndarray) -> np.ndarray:
    """(H, W, C) without its border. Raises UndefinedMetric if nothing is left."""
    height, width = image.shape[:2]
    if min(height, width) <= 2 * BORDER:
        raise UndefinedMetric(
            f"without {BORDER} pixels at each side, nothing is left of {width}x{height} pixels"
        )
    return image[BORDER:-BORDER, BORDER:-BORDER]


def psnr_reordered(restored: np.ndarray, target: np.ndarray) -> float:
    """PSNR of `reordered_luma`."""
    return psnr(reordered_luma(restored), reordered_luma(target))


def ssim_reordered(restored: np.ndarray, target: np.ndarray) -> float:
    """SSIM of `reordered_luma` with scikit-image's defaults for float images."""
    return ssim(reordered_luma(restored), reordered_luma(target), UNIFORM)


def reordered_luma(image: np.ndarray) -> np.ndarray:
    """TransWeather's Y: uint8 (H, W, 3) to float64 (H, W, 1) in [0, 255].

    Its code reads planes (3, H, W) as pixels (H, W, 3) without transposing them. So the weights of
    blue, green and red are applied to three neighbouring values of one channel.
    """
    planes = np.ascontiguousarray(image.transpose(2, 0, 1))
    return (planes.reshape(image.shape).astype(np.float64) @ BGR_LUMA)[..., None]


def ssim_padded(restored: np.ndarray, target: np.ndarray) -> float:
    """SSIM per RGB channel; the image is padded with zeros for windows that cross the border."""
    return ssim(restored, target, PADDED)


def to_multiples_of_16(restored: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both images at the size of the target in TransWeather's and WeatherDiffusion's loaders.

    A longer side above 1024 becomes 1024, then both sides are rounded up to multiples of 16; the
    filter is Lanczos. The loaders resize the input; here the restored image is resized.
    """
    height, width = target.shape[:2]
    longer = max(height, width)
    if longer > LONGEST:
        height, width = (math.ceil(side * LONGEST / longer) for side in (height, width))
    size = tuple(MULTIPLE * math.ceil(side / MULTIPLE) for side in (width, height))
    return _resized(restored, size), _resized(target, size)


def _resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if (image.shape[1], image.shape[0]) == size:
        return image
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))


def crop_target(restored: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The restored image, and the centre of the target at its size; unchanged if that is smaller.

    SOTS has targets of 640x480 pixels for inputs of 620x460, which lack ten pixels at each edge.
    """
    height, width = restored.shape[:2]
    spare = (target.shape[0] - height, target.shape[1] - width)
    if min(spare) < 0:
        return restored, target
    top, left = (round(side / 2) for side in spare)
    return restored, target[top : top + height, left : left + width]
