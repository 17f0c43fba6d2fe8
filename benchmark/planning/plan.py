"""Plans a run: counts its units of work and adds up their costs and the disk space of its results.

A unit is a training step, a restored image or a scored image.
"""

import sys
from dataclasses import dataclass, field
from typing import Any

from benchmark.core.errors import one_line
from benchmark.core.image_io import image_size
from benchmark.data import set_images
from benchmark.planning import microbenchmarks
from benchmark.planning.earlier_run import EarlierCosts, earlier_costs
from benchmark.planning.unit_costs import UnitCosts
from benchmark.profiling.loading import SIZE
from benchmark.results.layout import RunFolder
from benchmark.scoring.metrics import set_metrics_of
from benchmark.spec.build import build, give_untrained_teacher
from benchmark.spec.method import CLEAR, LearnedMethod, Method
from benchmark.spec.run_config import Config
from benchmark.spec.variant import split

TRAIN, RESTORE, SCORE = "train", "restore", "score"
PNG_BYTES = 1.8  # for a pixel, assumed where no image is here; photographs have 1.5 to 2


@dataclass(frozen=True)
class Part:
    """One kind of work of one entry, over all its seeds: `units` steps or images in `jobs` jobs.

    seconds, flops: of all units together; None if unknown, then `reason` says why. samples: how
    often each image is restored. loaders: data loader processes that make the pairs of a training
    as fast as its steps use them. memory: bytes of tensors of a training in one process
    (`unit_costs.training_bytes`).
    """

    work: str
    entry: str
    variant: str
    jobs: int
    units: int
    seconds: float | None = None
    flops: float | None = None
    loaders: int | None = None
    memory: int | None = None
    reason: str = ""
    samples: int = 1


@dataclass
class Plan:
    """All parts of a run, the disk space of its results, and the assumptions of these numbers."""

    parts: list[Part] = field(default_factory=list)
    disk_bytes: float = 0
    assumptions: list[str] = field(default_factory=list)

    def seconds(self, *works: str) -> float:
        """The seconds of all parts of these kinds; unknown times count as 0."""
        return sum(part.seconds or 0 for part in self.parts if part.work in works)


@dataclass(frozen=True)
class ImageGroup:
    """The test images of one data set and weather. size: (width, height), taken for all."""

    weather: str
    count: int
    size: tuple[int, int]


def plan(config: Config, gflops: float | None = None, costs: RunFolder | None = None) -> Plan:
    """The plan of a run.

    gflops: the rate of the device to plan for, in 10⁹ FLOP/s; None for this machine. costs: an
    earlier run; its times are used for entries and variants of the same name.
    """
    planner = _Planner(config, gflops, earlier_costs(costs) if costs else EarlierCosts({}, {}))
    for label in config.methods:
        print(f"plan: {label}", file=sys.stderr)
        planner.add(label)
    return planner.plan


class _Planner:
    """Adds the parts of one entry after another to a plan."""

    def __init__(self, config: Config, gflops: float | None, earlier: EarlierCosts):
        self.config, self.plan = config, Plan()
        self.images, self.png_bytes = _test_images(config, self.plan.assumptions)
        if set_metrics_of(config.protocols):
            self.plan.assumptions.append("scores of sets, seconds for each score job, not counted")
        self.costs = UnitCosts(config, gflops, earlier, self.plan.assumptions.append)

    def add(self, label: str) -> None:
        config, seeds = self.config, len(self.config.seeds_of(label))
        parts = self.plan.parts
        try:
            method = build(config, label, config.seeds_of(label)[0])
        except Exception as error:  # a method that cannot be built is a row, as on the board
            parts.append(Part(RESTORE, label, "", 0, 0, reason=str(error)))
            return
        if config.trains(label) and isinstance(method, LearnedMethod):
            try:
                parts.append(self._training(label, method, seeds))
            except Exception as error:
                parts.append(Part(TRAIN, label, "", seeds, 0, reason=one_line(error)))
        jobs = seeds * len(config.datasets)
        restored, scoring = 0, 0.0
        for variant, values in config.variants_of(label).items():
            try:
                part, seconds = self._restoring(label, variant, method, values, seeds, jobs)
            except Exception as error:
                reason = one_line(error)
                part, seconds = Part(RESTORE, label, variant, jobs, 0, reason=reason), 0.0
            parts.append(part)
            restored, scoring = restored + part.units, scoring + seconds
        parts.append(Part(SCORE, label, "", jobs, restored, scoring))

    def _training(self, label: str, method: LearnedMethod, seeds: int) -> Part:
        give_untrained_teacher(self.config, label, method)
        seconds, flops, loaders = self.costs.training(label, method)
        self.plan.disk_bytes += 4 * seeds * sum(p.numel() for p in method.network.parameters())
        units = seeds * self.config.training_of(label).steps
        memory = self.costs.training_memory(label, method)
        return Part(TRAIN, label, "", seeds, units, seeds * seconds, seeds * flops, loaders, memory)

    def _restoring(
        self,
        label: str,
        variant: str,
        method: Method,
        values: dict[str, Any],
        seeds: int,
        jobs: int,
    ) -> tuple[Part, float]:
        """The restoring of a variant, and the seconds for scoring its images."""
        settings = method.Variant(**split(values)[1])
        samples = self.config.samples_of(label, variant)
        weathers = {*method.card.weathers} & {*self.config.weathers_of(label)} | {CLEAR}
        units = seconds = flops = scoring = disk_bytes = 0
        for images in self.images:
            if images.weather not in weathers:
                continue
            number, size = seeds * images.count, images.size
            image_seconds, image_flops = self.costs.restoring(
                label, variant, method, settings, size
            )
            units += number
            seconds += number * samples * image_seconds
            flops += number * samples * image_flops
            scoring += number * self.costs.scoring(size)
            disk_bytes += number * samples * size[0] * size[1] * self.png_bytes
        self.plan.disk_bytes += disk_bytes
        part = Part(RESTORE, label, variant, jobs, units, seconds, flops, samples=samples)
        return part, scoring


def _test_images(config: Config, assumptions: list[str]) -> tuple[list[ImageGroup], float]:
    """The test images of a run, and the bytes of a pixel when they are saved as PNG."""
    groups, png_bytes = [], None
    for name, choice in config.datasets.items():
        for weather, (count, image) in set_images.image_counts(name, choice).items():
            size = image_size(image) if image else SIZE
            groups.append(ImageGroup(weather, count, size))
            if image is None:
                assumptions.append(
                    f"{name}, {weather}: not here; {count} images of {size[0]}×{size[1]}"
                )
            elif png_bytes is None:
                png_bytes = microbenchmarks.png_bytes_per_pixel(image)
    return groups, PNG_BYTES if png_bytes is None else png_bytes
