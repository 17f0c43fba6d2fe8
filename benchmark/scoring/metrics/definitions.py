"""What a protocol and a metric are."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from benchmark.scoring.metrics.checks import check_image, check_pair

# Found from here, so that scoring works in any working directory.
WEIGHTS = Path(__file__).resolve().parents[3] / "data" / "weights"
Pair = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Protocol:
    """A way of looking at images, shared by its metrics.

    colour, size, ssim: what is compared, at which size, with which structural similarity; `ssim` is
    empty where there is none. source: the definition that it follows, code with its files first.
    agrees_with: what confirms it, and known differences. align: brings restored and target, uint8
    (H, W, 3) each, to what is compared; None, as in all of our own, compares them as they are.
    """

    name: str
    description: str
    colour: str
    size: str
    ssim: str
    source: str
    agrees_with: str
    align: Callable[[np.ndarray, np.ndarray], Pair] | None = None


@dataclass(frozen=True)
class Metric:
    """One number for a restored image, most often for a pair of it and its target.

    title: its short name in tables. function: takes restored and target, uint8 (H, W, 3), or only
    restored if not `needs_target`; and the path of its weight file if it has `weights`, the file's
    name. It raises UndefinedMetric where the metric has no value.
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
    weights: str | None = None

    @property
    def key(self) -> str:
        """How tables of a run call it, such as `rgb/psnr`."""
        return f"{self.protocol.name}/{self.name}"

    @property
    def heading(self) -> str:
        """Its title with the direction that is better."""
        return f"{self.title} {'↑' if self.direction == 'higher' else '↓'}"

    @property
    def definition(self) -> str:
        """What it is and how it is taken, in a line."""
        return f"{self.description} ({self.reference}); protocol {self.protocol.name}"

    def __call__(
        self, restored: np.ndarray, target: np.ndarray | None = None, weights: Path = WEIGHTS
    ) -> float:
        """Score an image; weights is the folder of weight files.

        Raises ValueError unless the images are uint8 (H, W, 3), and if a target is needed and not
        given; UndefinedMetric if the protocol does not bring them to one size.
        """
        check_image("restored", restored)
        images = (restored,)
        if self.needs_target:
            if target is None:
                raise ValueError(f"{self.name} compares with a target, and none is given")
            check_image("target", target)
            align = self.protocol.align
            images = align(restored, target) if align else (restored, target)
            check_pair(*images)
        return self.function(*images, *([weights / self.weights] if self.weights else []))
