"""The named ways of scoring, as data: each says what is compared and how.

Every score carries its protocol's name. All of them score the saved 8-bit image at its own size.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from benchmark.errors import UserError, nearest
from benchmark.metrics.checks import check_image, check_pair
from benchmark.metrics.no_reference import niqe, piqe
from benchmark.metrics.perceptual import lpips_alex
from benchmark.metrics.pixel import luma, psnr, ssim

# Found from here, so that scoring works in any working directory.
WEIGHTS = Path(__file__).resolve().parents[2] / "data" / "weights"
LPIPS_WEIGHTS = WEIGHTS / "lpips_alexnet_features.safetensors"
NIQE_WEIGHTS = WEIGHTS / "niqe_pris_params.npz"


@dataclass(frozen=True)
class Protocol:
    """A way of looking at images, shared by its metrics."""

    name: str
    description: str
    agrees_with: str


@dataclass(frozen=True)
class Metric:
    """One number for a restored image, most often for a pair of it and its target.

    function: takes restored and target, uint8 (H, W, 3), or only restored if not `needs_target`;
    and the path of its weight file if it has `weights`, the file's name. It raises UndefinedMetric
    where the metric has no value.
    """

    name: str
    protocol: str
    description: str
    function: Callable[..., float]
    direction: Literal["higher", "lower"]
    unit: str
    reference: str
    needs_target: bool = True
    weights: str | None = None

    def __call__(
        self, restored: np.ndarray, target: np.ndarray | None = None, weights: Path = WEIGHTS
    ) -> float:
        """Score an image; weights is the folder of weight files.

        Raises ValueError unless the images are uint8 (H, W, 3) of one size, and if a target is
        needed and not given.
        """
        if not self.needs_target:
            check_image("restored", restored)
            images = (restored,)
        elif target is None:
            raise ValueError(f"{self.name} compares with a target, and none is given")
        else:
            check_pair(restored, target)
            images = (restored, target)
        return self.function(*images, *([weights / self.weights] if self.weights else []))


def psnr_y(restored: np.ndarray, target: np.ndarray) -> float:
    """PSNR of MATLAB's Y, with peak 255 although Y spans 219 levels: what papers print."""
    return psnr(luma(restored), luma(target))


def ssim_y(restored: np.ndarray, target: np.ndarray) -> float:
    """SSIM of MATLAB's Y with range 255."""
    return ssim(luma(restored), luma(target))


WANG = "Wang et al., IEEE TIP 2004, eq. 13"
PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "rgb",
            "All RGB values of the 8-bit image, range 255. PSNR from one MSE over the three "
            "channels; SSIM per channel, then averaged.",
            "skimage.metrics (gaussian_weights, sigma 1.5, use_sample_covariance False, "
            "channel_axis), pyiqa with test_y_channel False. MATLAB's ssim() pads the border and "
            "so differs.",
        ),
        Protocol(
            "y-matlab",
            "Y of MATLAB's rgb2ycbcr (BT.601, 16-235), not rounded, range 255.",
            "Tables of deraining papers to their printed digits. pyiqa with color_space 'ycbcr': "
            "PSNR to 1e-4 dB, SSIM to 1e-3, because there it rounds Y (its default, full-range "
            "YIQ, gives about 1.3 dB less).",
        ),
        Protocol(
            "lpips-alex",
            "LPIPS version 0.1 on AlexNet features, inputs in [-1, 1], no resizing.",
            "The lpips package, whose code and linear weights it is; the backbone is torchvision's "
            "ImageNet AlexNet.",
        ),
        Protocol(
            "no-reference",
            "NIQE and PIQE of the grey image, without a target. They measure noise, blocking and "
            "unnatural statistics, not weather: haze, and some rain, betters them. To be read "
            "beside the pictures.",
            "pyiqa, whose code it is. NIQE: MATLAB's 5.7296 for its baboon image, 5.7300 by pyiqa.",
        ),
    )
}
METRICS = (
    Metric(
        "psnr", "rgb", "peak signal-to-noise ratio; infinite for identical images", psnr,
        "higher", "dB", "10 log10(255² / MSE)",
    ),
    Metric("ssim", "rgb", "structural similarity, 11x11 Gaussian window", ssim,
           "higher", "", WANG),
    Metric(
        "psnr", "y-matlab", "peak signal-to-noise ratio; infinite for identical images", psnr_y,
        "higher", "dB", "10 log10(255² / MSE)",
    ),
    Metric("ssim", "y-matlab", "structural similarity, 11x11 Gaussian window", ssim_y,
           "higher", "", WANG),
    Metric("lpips", "lpips-alex", "learned perceptual distance", lpips_alex,
           "lower", "", "Zhang et al., CVPR 2018, eq. 1", weights=LPIPS_WEIGHTS.name),
    Metric(
        "niqe", "no-reference", "distance from the statistics of natural photographs", niqe,
        "lower", "", "Mittal et al., IEEE SPL 2013", needs_target=False, weights=NIQE_WEIGHTS.name,
    ),
    Metric("piqe", "no-reference", "share of textured blocks that look distorted", piqe,
           "lower", "", "Venkatanath et al., NCC 2015", needs_target=False),
)  # fmt: skip


def metrics_of(protocols: Iterable[str] | None = None) -> tuple[Metric, ...]:
    """The metrics of the named protocols (all if None or empty), in the order of METRICS.

    Raises UserError for an unknown name.
    """
    chosen = set(protocols or PROTOCOLS)
    for name in sorted(chosen - PROTOCOLS.keys()):
        raise UserError(f"There is no protocol '{name}'.{nearest(name, PROTOCOLS)}")
    return tuple(metric for metric in METRICS if metric.protocol in chosen)
