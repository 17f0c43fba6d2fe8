"""The cost of one training, one restored image and one scored image.

The time of a training or a restored image is that of an earlier run, or its FLOPs divided by the
rate of another device, or it is measured on this machine. Scoring is always measured.
"""

import copy
import json
import math
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmark.core.errors import UserError
from benchmark.core.image_io import image_size
from benchmark.data import cards, training_files
from benchmark.data.card_settings import TrainSplit
from benchmark.planning import microbenchmarks
from benchmark.planning.earlier_run import EarlierCosts
from benchmark.profiling import loading
from benchmark.profiling.loading import SIZE, made_per_second
from benchmark.spec.method import LearnedMethod, Method, Settings
from benchmark.spec.run_config import Config
from benchmark.spec.training_settings import Training
from benchmark.training.crops import Source
from benchmark.training.decoded import kept_in
from benchmark.training.step_memory import step_bytes

PAIRS = 16  # made to measure how fast a loader process is


class UnitCosts:
    """Costs of the entries of a run. Equal work is measured once.

    gflops: the rate of the device to plan for, in 10⁹ FLOP/s; None for this machine. earlier: costs
    that are used instead of measurements. assume: is called with every assumption, as text.
    """

    def __init__(
        self,
        config: Config,
        gflops: float | None,
        earlier: EarlierCosts,
        assume: Callable[[str], None],
    ):
        self.config, self.gflops, self.earlier = config, gflops, earlier
        self.measured: dict[str, Any] = {}
        self.folder = tempfile.TemporaryDirectory()  # is deleted with this object
        self.source_length = 0
        self.source = self._training_source(assume)
        if gflops:
            assume(f"training and restoring sustain {gflops:g} GFLOP/s; scoring is this machine's")
            assume(
                "loader processes are as fast as one here, and steps wait for those that there are"
            )

    def _training_source(self, assume: Callable[[str], None]) -> Source | None:
        """The training data; pairs of SIZE in place of a set of pairs that is not here."""
        name = self.config.train_on
        try:
            source = training_files.training_source(name)
            self.source_length = len(source)
            return source
        except UserError as error:
            fault = error
        with suppress(UserError):  # the bundled photographs may be missing too
            if isinstance(cards.load_card(name).train, TrainSplit):
                photos = training_files.training_photos("photos")
                pairs = loading.write_pairs(photos, Path(self.folder.name), ".png", PAIRS)
                self.source_length = cards.load_card(name).pairs.get("train", PAIRS)
                assume(f"{name}: not here; its pairs are PNG files of {SIZE[0]}×{SIZE[1]}")
                return pairs
        assume(f"the work of a training's loaders is not known: {fault}")
        return None

    def training(self, label: str, method: LearnedMethod) -> tuple[float, float, int | None]:
        """(seconds, FLOPs, loader processes) of one training.

        The loader processes make pairs as fast as the steps use them; None if that is not known.
        """
        settings = self.config.training_of(label)
        key = ["train", self._key(label), settings.model_dump_json()]
        flops = self._once(
            [*key, "flops"], lambda: microbenchmarks.training_flops(method, settings)
        )
        if self.gflops:
            steps, pairs = flops / self.gflops / 1e9, self._pairs_seconds(settings)
            loaders = math.ceil(pairs / steps) if pairs else None
            if settings.workers:
                return max(steps, pairs / settings.workers), flops, loaders
            return steps + pairs, flops, loaders  # the training process makes its pairs itself
        if label in self.earlier.step:
            return settings.steps * self.earlier.step[label], flops, None
        steps = self._once(key, lambda: _steps_seconds(method, settings))
        pairs = self._pairs_seconds(settings)
        # One loader process beside the training shares the processor's cores with it.
        seconds = steps + (pairs / 2 if settings.workers else pairs)
        return seconds, flops, math.ceil(pairs / steps)

    def training_memory(self, label: str, method: LearnedMethod) -> int | None:
        """`training_bytes` of an entry, or None if it cannot be estimated."""
        settings = self.config.training_of(label)
        key = ["memory", self._key(label), settings.model_dump_json()]
        return self._once(key, lambda: training_bytes(method, settings))

    def _pairs_seconds(self, settings: Training) -> float:
        """Seconds in which one process makes all pairs of a training; 0 if that is not known."""
        if self.source is None:
            return 0.0
        return sum(
            (end - first) * stage.batch * self._pair_seconds(stage.crop, settings)
            for stage, first, end in settings.stage_steps()
        )

    def _pair_seconds(self, crop: int, settings: Training) -> float:
        """Seconds in which one process makes a pair. Of images that do not fit into the setting
        `decoded_gib`, the files are decoded."""
        sample = self.source[:PAIRS]
        decoded, file = (
            self._once(["pair", crop, most], lambda most=most: self._made(sample, crop, most))
            for most in (loading.ALL, 0)
        )
        share = min(1.0, settings.decoded_gib * 2**30 / max(self.source_bytes, 1))
        return share * decoded + (1 - share) * file

    def _made(self, sample: Source, crop: int, most: int) -> float:
        with kept_in(Path(self.folder.name, "decoded")):  # once for crops of all sizes
            return 1 / made_per_second(sample, crop, PAIRS, most)

    @cached_property
    def source_bytes(self) -> int:
        """Of all training images, decoded; as if all had the size of the first."""
        first = self.source[0]
        files = (first,) if isinstance(first, Path) else first
        return sum(3 * math.prod(image_size(file)) for file in files) * self.source_length

    def restoring(
        self, label: str, variant: str, method: Method, settings: Settings, size: tuple[int, int]
    ) -> tuple[float, float]:
        """(seconds, FLOPs) of one restored image of (width, height)."""
        key = ["restore", self._key(label), settings.model_dump_json(), *size]
        if self.gflops:
            flops = self._once(key, lambda: microbenchmarks.restoring_flops(method, settings, size))
            if flops:
                return flops / self.gflops / 1e9, flops
        elif (label, variant) in self.earlier.pixel:
            seconds, flops = self.earlier.pixel[label, variant]
            return seconds * size[0] * size[1], flops * size[0] * size[1]
        return self._once(
            [*key, "here"], lambda: microbenchmarks.restoring_cost(method, settings, size)
        )

    def scoring(self, size: tuple[int, int]) -> float:
        """Seconds of one scored image of (width, height) on this machine."""
        protocols = self.config.protocols
        return self._once(
            ["score", *size], lambda: microbenchmarks.scoring_seconds(protocols, size)
        )

    def _key(self, label: str) -> str:
        return json.dumps([self.config.method_of(label), self.config.entry(label).parameters])

    def _once(self, key: list, measure: Callable[[], Any]) -> Any:
        name = json.dumps(key)
        if name not in self.measured:
            self.measured[name] = measure()
        return self.measured[name]


def training_bytes(method: LearnedMethod, settings: Training) -> int | None:
    """Bytes of tensors of a training in one process.

    Those of a step of its largest stage in float32, and for each weight the network's, the
    average's, the gradient's and the optimiser's values (AdamW has two, Muon one).

    None if the method does not allow an estimate. The kernels' own memory comes in addition.
    """
    weights = sum(p.numel() for p in method.network.parameters())
    twin = copy.deepcopy(method)  # a method whose step was estimated cannot be trained
    try:
        steps = [
            step_bytes(twin, stage.batch // settings.accumulate, stage.crop)
            for stage in settings.stages
        ]
    except Exception:  # its loss reads values of its tensors
        return None
    return max(steps) + 4 * weights * (5 if settings.optimizer == "adamw" else 4)


def _steps_seconds(method: LearnedMethod, settings: Training) -> float:
    """Seconds of all steps of a training, without the making of pairs."""
    return sum(
        (end - first) * microbenchmarks.step_seconds(method, settings, stage)
        for stage, first, end in settings.stage_steps()
        if end > first
    )
