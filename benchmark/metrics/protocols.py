"""The named ways of scoring, as data: each says what is compared and how.

Every score carries its protocol's name. All of them score the saved 8-bit image at its own size.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from benchmark.errors import UserError, nearest
from benchmark.metrics.checks import check_pair
from benchmark.metrics.perceptual import lpips_alex
from benchmark.metrics.pixel import luma, psnr, ssim

# Found from here, so that scoring works in any working directory.
LPIPS_WEIGHTS = (
    Path(__file__).resolve().parents[2] / "data" / "weights" / "lpips_alexnet_features.safetensors"
)


@dataclass(frozen=True)
class Protocol:
    """A way of looking at images, shared by its metrics."""

    name: str
    description: str
    agrees_with: str


@dataclass(frozen=True)
class Metric:
    """One number for a pair of images, under one protocol.

    function: takes restored and target, uint8 (H, W, 3); one that `needs_weights` also takes the
    path of its weight file. It raises UndefinedMetric where the metric has no value.
    """

    name: str
    protocol: str
    description: str
    function: Callable[..., float]
    direction: Literal["higher", "lower"]
    unit: str
    reference: str
    needs_weights: bool = False

    def __call__(
        self, restored: np.ndarray, target: np.ndarray, weights: Path = LPIPS_WEIGHTS
    ) -> float:
        """Score a pair; ValueError unless both are uint8 (H, W, 3) of one size."""
        check_pair(restored, target)
        if self.needs_weights:
            return self.function(restored, target, weights)
        return self.function(restored, target)


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
           "lower", "", "Zhang et al., CVPR 2018, eq. 1", needs_weights=True),
)  # fmt: skip


def metrics_of(protocols: Iterable[str] | None = None) -> tuple[Metric, ...]:
    """The metrics of the named protocols (all if None or empty), in the order of METRICS.

    Raises UserError for an unknown name.
    """
    chosen = set(protocols or PROTOCOLS)
    for name in sorted(chosen - PROTOCOLS.keys()):
        raise UserError(f"There is no protocol '{name}'.{nearest(name, PROTOCOLS)}")
    return tuple(metric for metric in METRICS if metric.protocol in chosen)
