"""What an export holds: a run's results, each a mean over images with its interval."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.scoring.metrics import Metric

NAME = "unweather"
# Smallest and largest values of the metrics for which they are known.
BOUNDS = {
    "psnr": (0.0, math.inf),
    "ssim": (-1.0, 1.0),
    "lpips": (0.0, math.inf),
    "niqe": (0.0, math.inf),
    "piqe": (0.0, 100.0),
}


@dataclass(frozen=True)
class Result:
    """The mean of a metric over `images` images of a method; low, high: its 95 % interval.

    method: the card. weather: "" for all weathers of the data set, with equal weight. low and high
    are NaN where the run has no interval.
    """

    method: dict[str, Any]
    dataset: str
    split: str
    weather: str
    metric: Metric
    value: float
    low: float
    high: float
    images: int

    @property
    def name(self) -> str:
        """Data set, split, weather and metric, such as `photos test, rain: rgb/psnr`."""
        part = " ".join(filter(None, (self.dataset, self.split)))
        return f"{part}{', ' * bool(self.weather)}{self.weather}: {self.metric.key}"

    def is_finite(self) -> bool:
        """Whether the value can be written as a number; an infinite end has no interval."""
        return math.isfinite(self.value)

    def has_interval(self) -> bool:
        return math.isfinite(self.low) and math.isfinite(self.high)


@dataclass(frozen=True)
class Export:
    """A run: its name, when it finished (ISO 8601), its commit, its data sets' origins, results.

    origins: title, source, licence and citation of each data set, from the manifest.
    """

    run_dir: Path
    run: str
    finished: str
    commit: str
    origins: dict[str, dict[str, Any]]
    methods: list[dict[str, Any]]
    results: list[Result]

    def of_methods(self) -> list[tuple[dict[str, Any], list[Result]]]:
        """Each method that has results, with them."""
        groups = [(card, [r for r in self.results if r.method is card]) for card in self.methods]
        return [(card, results) for card, results in groups if results]


def file_name(card: dict[str, Any]) -> str:
    """A file name without suffix for a method and variant."""
    return f"{card['method']}-{card['variant']}"
