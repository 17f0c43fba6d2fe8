"""The classes of protocols and metrics, with everything that tables say about a metric."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from benchmark.core import paths
from benchmark.core.storage import ROUNDED, Storage
from benchmark.scoring.metrics.checks import check_image, check_pair

# An absolute path, so that scoring works in any working directory.
WEIGHTS = paths.weight_file("data/weights")
Pair = tuple[np.ndarray, np.ndarray]
AT_LEAST_0 = (0.0, math.inf)  # limits of many metrics


@dataclass(frozen=True)
class Protocol:
    """How images are prepared for comparison, shared by several metrics.

    colour, size: the colour space and the image size. ssim: the window of structural similarity;
    empty if the protocol has none. source: the definition that it follows, code before papers.
    agrees_with: what confirms it, and known differences. storage: how a restored image is stored
    before it is scored. align: maps restored image and target, uint8 (H, W, 3) each, to the two
    images that are compared; None compares them as they are. package: what its metrics need beside
    the packages that restoring photos needs.
    """

    name: str
    description: str
    colour: str
    size: str
    ssim: str
    source: str
    agrees_with: str
    storage: Storage = ROUNDED
    align: Callable[[np.ndarray, np.ndarray], Pair] | None = None
    package: str = ""


@dataclass(frozen=True)
class Metric:
    """A metric: a number for a restored image, in most cases compared with its target.

    title: the short name in tables. function: takes restored image and target, uint8 (H, W, 3);
    only the restored image if `needs_target` is false; and `weights`, the path of a weight file, if
    it has one. It raises UndefinedMetric if the metric has no value for these images. limits: the
    least and the greatest value that is possible; an interval of a board ends there.
    """

    name: str
    protocol: Protocol
    title: str
    description: str
    function: Callable[..., float]
    direction: Literal["higher", "lower"]
    decimals: int
    unit: str
    reference: str
    needs_target: bool = True
    weights: Path | None = None
    limits: tuple[float, float] = (-math.inf, math.inf)

    @property
    def key(self) -> str:
        """The metric's name in tables of a run, such as `rgb/psnr`."""
        return f"{self.protocol.name}/{self.name}"

    @property
    def lower_is_better(self) -> bool:
        return self.direction == "lower"

    @property
    def acronym(self) -> str:
        """The name without its protocol, such as `PSNR`."""
        return self.name.upper().replace("_", "-")

    @property
    def arrow(self) -> str:
        """The direction of better values."""
        return "↓" if self.lower_is_better else "↑"

    @property
    def heading(self) -> str:
        """The title with the direction of better values, such as `PSNR RGB ↑`."""
        return f"{self.title} {self.arrow}"

    @property
    def axis_label(self) -> str:
        """The heading with the unit, such as `PSNR RGB, dB ↑`."""
        return f"{self.title}{', ' * bool(self.unit)}{self.unit} {self.arrow}"

    @property
    def definition(self) -> str:
        """Description, reference and protocol in one line."""
        return f"{self.description} ({self.reference}); protocol {self.protocol.name}"

    def text(self, value: float) -> str:
        """A value with the metric's decimals and unit, such as `25.47 dB`."""
        number = "∞" if math.isinf(value) else f"{value:.{self.decimals}f}"
        return f"{number} {self.unit}".strip()

    def __call__(self, restored: np.ndarray, target: np.ndarray | None = None) -> float:
        """Score an image.

        Raises ValueError if an image is not uint8 (H, W, 3) or a needed target is not given;
        UndefinedMetric if the images differ in size after the protocol's `align`; WeightsMissing if
        the weight file is missing, UserError if it is damaged.
        """
        check_image("restored", restored)
        images = (restored,)
        if self.needs_target:
            if target is None:
                raise ValueError(f"{self.name} compares with a target, but none is given")
            check_image("target", target)
            align = self.protocol.align
            images = align(restored, target) if align else (restored, target)
            check_pair(*images)
        return self.function(*images, *([self.weights] if self.weights else []))


@dataclass(frozen=True)
class SetMetric(Metric):
    """A metric of a set of images, compared with the set of their targets.

    features: maps an image, uint8 (H, W, 3), the path of the weight file and the number of images
    of the set to its features. It raises UndefinedMetric if the image has none. function: takes,
    for each photo, the features of the restored images and those of their targets, and returns the
    value and the values without each photo (`kernel_distance.SetScore`).
    """

    features: Callable[[np.ndarray, Path, int], np.ndarray] | None = None
