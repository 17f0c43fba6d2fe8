"""What a configuration will take: jobs, arithmetic, time and disk, from the cost of single units.

A unit is a training step, a restored image or a scored image. Its time is measured here on this
machine, taken from an earlier run, or its FLOPs divided by the rate that another device sustains.
"""

import json
import math
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.core.errors import UserError
from benchmark.core.image_io import image_size
from benchmark.data import cards, training_files
from benchmark.planning import microbenchmarks
from benchmark.profiling import loading
from benchmark.profiling.loading import SIZE, made_per_second
from benchmark.results import schema, training_record
from benchmark.results.layout import AGAIN, RunFolder
from benchmark.results.tables import read_table
from benchmark.spec.build import build
from benchmark.spec.method import CLEAR, LearnedMethod
from benchmark.spec.run_config import Config
from benchmark.training.crops import Source

TRAIN, RESTORE, SCORE = "train", "restore", "score"
PNG_BYTES = 1.8  # a pixel, assumed where no image is there: photographs take 1.5 to 2
PAIRS = 16  # made to measure a loader's rate


@dataclass(frozen=True)
class Part:
    """One kind of work of one entry, over all its seeds: `units` steps or images in `jobs` jobs.

    seconds and flops are of all units together, None where `reason` says why. loaders: processes
    that make a training's pairs as fast as its steps take them.
    """

    work: str
    entry: str
    variant: str
    jobs: int
    units: int
    seconds: float | None = None
    flops: float | None = None
    loaders: int | None = None
    reason: str = ""


@dataclass
class Plan:
    """All parts of a run, bytes that its results take, and what the figures assume."""

    parts: list[Part] = field(default_factory=list)
    disk_bytes: float = 0
    assumptions: list[str] = field(default_factory=list)

    def seconds(self, *works: str) -> float:
        """Of all parts of these kinds whose time is known."""
        return sum(part.seconds or 0 for part in self.parts if part.work in works)


def plan(config: Config, gflops: float | None = None, costs: RunFolder | None = None) -> Plan:
    """The plan of a run. gflops: the rate, in 10⁹ FLOP/s, of the device to plan for, this machine
    if None; costs: an earlier run whose times are taken for entries and variants of the same name.
    """
    planner = _Planner(config, gflops, costs)
    for label in config.methods:
        print(f"plan: {label}", file=sys.stderr)
        planner.add(label)
    return planner.plan


class _Planner:
    """Adds one entry after another; equal work is measured once."""

    def __init__(self, config: Config, gflops: float | None, costs: RunFolder | None):
        self.config, self.gflops, self.plan = config, gflops, Plan()
        self.known: dict[str, Any] = {}
        self.earlier = _earlier_costs(costs) if costs else {}
        assume = self.plan.assumptions.append
        self.images = []  # (data set, weather, count, (width, height))
        self.png = PNG_BYTES
        for name, choice in config.datasets.items():
            for weather, (count, image) in cards.image_counts(name, choice).items():
                size = image_size(image) if image else SIZE
                self.images.append((name, weather, count, size))
                if image:
                    self.png = self._once(["png"], lambda i=image: microbenchmarks.bytes_a_pixel(i))
                else:
                    assume(f"{name}, {weather}: not here; {count} images of {size[0]}×{size[1]}")
        self.source = self._source()
        if gflops:
            assume(f"training and restoring sustain {gflops:g} GFLOP/s; scoring is this machine's")
            assume(
                "loader processes are as fast as one here, and steps wait for those that there are"
            )

    def _source(self) -> Source | None:
        """What to train on; pairs of SIZE in place of a set of pairs that is not here."""
        name, assume = self.config.train_on, self.plan.assumptions.append
        try:
            return training_files.training_source(name)
        except UserError as error:
            fault = error
        with suppress(UserError):  # where the bundled photographs are missing too
            if isinstance(cards.load_card(name).train, cards.TrainSplit):
                self.folder = tempfile.TemporaryDirectory()  # goes with the planner
                photos = training_files.training_photos("photos")
                pairs = loading.write_pairs(photos, Path(self.folder.name), ".png", PAIRS)
                assume(f"{name}: not here; its pairs are PNG files of {SIZE[0]}×{SIZE[1]}")
                return pairs
        assume(f"what a training's loaders must make is not known: {fault}")
        return None

    def add(self, label: str) -> None:
        config, seeds = self.config, len(self.config.seeds_of(label))
        try:
            method = build(config, label, config.seeds_of(label)[0])
        except Exception as error:  # a method that cannot be built is a row, as on the board
            self.plan.parts.append(Part(RESTORE, label, "", 0, 0, reason=str(error)))
            return
        if config.trains(label) and isinstance(method, LearnedMethod):
            try:
                self._add_training(label, method, seeds)
            except Exception as error:
                reason = f"{type(error).__name__}: {error}"
                self.plan.parts.append(Part(TRAIN, label, "", seeds, 0, reason=reason))
        jobs = seeds * len(config.datasets)
        restored, scoring = 0, 0.0
        for variant, values in config.variants_of(label).items():
            try:
                part, seconds = self._restoring_part(label, variant, method, values, seeds, jobs)
            except Exception as error:
                reason = f"{type(error).__name__}: {error}"
                part, seconds = Part(RESTORE, label, variant, jobs, 0, reason=reason), 0.0
            self.plan.parts.append(part)
            restored, scoring = restored + part.units, scoring + seconds
        self.plan.parts.append(Part(SCORE, label, "", jobs, restored, scoring))

    def _add_training(self, label: str, method: LearnedMethod, seeds: int) -> None:
        settings = self.config.training_of(label)
        if teacher := self.config.entry(label).teacher:
            method.learn_from(build(self.config, teacher, self.config.seeds_of(label)[0]))
        key = [TRAIN, self._key(label), settings.model_dump_json()]
        flops = self._once(
            [*key, "flops"], lambda: microbenchmarks.learning_flops(method, settings)
        )
        loaders = None
        if self.gflops:
            seconds, making = flops / self.gflops / 1e9, self._making(settings)
            loaders = math.ceil(making / seconds) if making else None
            if settings.workers:
                seconds = max(seconds, making / settings.workers)
            else:  # no process beside the training: one after the other
                seconds += making
        elif (TRAIN, label) in self.earlier:
            seconds = settings.steps * self.earlier[TRAIN, label]
        else:
            stepping = self._once(key, lambda: self._stepping(method, settings))
            making = self._making(settings)
            loaders = math.ceil(making / stepping)
            # One loader beside the training shares the processor's cores with it.
            seconds = stepping + (making / 2 if settings.workers else making)
        self.plan.disk_bytes += 4 * seeds * sum(p.numel() for p in method.network.parameters())
        units = seeds * settings.steps
        part = Part(TRAIN, label, "", seeds, units, seeds * seconds, seeds * flops, loaders)
        self.plan.parts.append(part)

    def _stepping(self, method: LearnedMethod, settings) -> float:
        """Seconds of all steps of a training."""
        return sum(
            (end - first) * microbenchmarks.step_seconds(method, settings, stage)
            for stage, first, end in settings.stage_steps()
            if end > first
        )

    def _making(self, settings) -> float:
        """Seconds of one process that makes all pairs of a training; 0 if that is not known."""
        if self.source is None:
            return 0.0
        return sum(
            (end - first) * stage.batch * self._pair_seconds(stage.crop)
            for stage, first, end in settings.stage_steps()
        )

    def _pair_seconds(self, crop: int) -> float:
        return self._once(["pair", crop], lambda: 1 / made_per_second(self.source, crop, PAIRS))

    def _restoring_part(
        self, label, variant, method, values, seeds: int, jobs: int
    ) -> tuple[Part, float]:
        """The restoring of a variant, and the seconds that scoring what it restores takes."""
        settings = method.Variant(**values)
        wanted = {*method.card.weathers} & {*self.config.weathers_of(label)} | {CLEAR}
        count = seconds = flops = scoring = disk = 0
        for _, weather, images, size in self.images:
            if weather not in wanted:
                continue
            number = seeds * images
            each, arithmetic = self._restoring(label, variant, method, settings, size)
            count, seconds = count + number, seconds + number * each
            flops += number * arithmetic
            scoring += number * self._scoring(size)
            disk += number * size[0] * size[1] * self.png
        self.plan.disk_bytes += disk
        return Part(RESTORE, label, variant, jobs, count, seconds, flops), scoring

    def _scoring(self, size: tuple[int, int]) -> float:
        """Seconds that scoring an image takes here."""
        protocols = self.config.protocols
        return self._once([SCORE, *size], lambda: microbenchmarks.scoring_seconds(protocols, size))

    def _restoring(self, label, variant, method, settings, size) -> tuple[float, float]:
        """(seconds, FLOPs) of an image."""
        key = [RESTORE, self._key(label), settings.model_dump_json(), *size]
        if self.gflops:
            flops = self._once(key, lambda: microbenchmarks.restoring_flops(method, settings, size))
            if flops:
                return flops / self.gflops / 1e9, flops
        elif (RESTORE, label, variant) in self.earlier:
            seconds, flops = self.earlier[RESTORE, label, variant]
            return seconds * size[0] * size[1], flops * size[0] * size[1]
        return self._once(
            [*key, "here"], lambda: microbenchmarks.restoring_cost(method, settings, size)
        )

    def _key(self, label: str) -> str:
        return json.dumps([self.config.method_of(label), self.config.entry(label).parameters])

    def _once(self, key: list, measure: Callable[[], Any]) -> Any:
        name = json.dumps(key)
        if name not in self.known:
            self.known[name] = measure()
        return self.known[name]


def _earlier_costs(run: RunFolder) -> dict[tuple, Any]:
    """Seconds a step by entry, and (seconds, FLOPs) a pixel by entry and variant."""
    costs = {}
    for label, facts in measured_training(run).items():
        costs[TRAIN, label] = facts["seconds"] / facts["steps"]
    for (label, variant), rows in measured_cost(run).groupby(["method", "variant"]):
        pixels = rows.width * rows.height
        flops = (rows.flops.fillna(0) / pixels).median()
        costs[RESTORE, label, variant] = (rows.seconds / pixels).median(), flops
    return costs


def measured_training(run: RunFolder) -> dict[str, dict[str, float]]:
    """Seconds and steps that a run's trainings took, over the seeds of each entry."""
    measured: dict[str, dict[str, float]] = {}
    for file in sorted((run.path / "train").glob("*/seed*/training.json")):
        facts = training_record.read(file.parent, AGAIN)
        if facts["status"] == schema.OK:
            if not facts.get("seconds") or not facts.get("steps"):
                raise UserError(f"{file} has no seconds or no steps; train the method again.")
            sums = measured.setdefault(file.parts[-3], {"seconds": 0, "steps": 0})
            for name in sums:
                sums[name] += facts[name]
    return measured


def measured_cost(run: RunFolder) -> pd.DataFrame:
    """The rows of a run's cost.csv that tell a time."""
    cost = read_table(run.path / "cost.csv", schema.COST, "run 'snakemake --cores all' first")
    return cost[cost.status == schema.OK]
