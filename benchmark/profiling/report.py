"""All measurements of a profile, as a dictionary, a JSON file and a table."""

import json
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmark.core import device
from benchmark.core.atomic import write_text
from benchmark.core.errors import UserError
from benchmark.core.paths import ROOT
from benchmark.data import set_images, training_files
from benchmark.profiling import busy, comparison, memory, networks, scoring_speed
from benchmark.profiling.beside import check_checkout, step_speedup
from benchmark.profiling.settings import Comparison, Profile
from benchmark.profiling.timing import Sizes, matmul_rate
from benchmark.results.layout import RunFolder
from benchmark.spec.method import CLEAR
from benchmark.spec.run_config import Config
from benchmark.spec.training_settings import Training

Values = Sequence[float]


def profile(
    settings: Profile,
    config: Config,
    run: RunFolder,
    images: int | None = None,
    sizes: Sizes | None = None,
    training: Training | None = None,
    beside: Path | None = None,
) -> dict[str, Any]:
    """Measure everything in `settings`, with the images and trained weights of a run.

    images: the most images for each comparison; as in `settings` if None. sizes, training: of the
    measurements; tests use smaller ones. beside: a checkout of another version.

    Returns `matmul_gflops`, `denoisers` (by name: `train_share`, `sample_share`),
    `bf16_speedup` (by name, of a training step), `simulation_share_of_training`, `busy_slowdown`
    (of a training step, on a CPU), `scoring_speedup`, `scoring_max_difference`,
    `sampling_memory_ratio` (of 40 to 4 megapixels), each comparison by its name (`speedup`,
    `psnr_gain_db`, `lpips_gain`), with `beside` also `step_speedup` (by name of the denoiser),
    `environment`, and `reasons`. If data or weights are missing, a figure is None, and `reasons`
    has the reason under its key (parts joined by dots).

    Raises UserError, before it measures, if `beside` is no checkout.
    """
    if beside is not None:
        check_checkout(beside)
    sizes, machine = sizes or Sizes(), device.choose()
    values: dict[str, float | None] = {}
    reasons: dict[str, str] = {}

    def measure(keys: Sequence[str], function: Callable[[], Values]) -> None:
        print(f"profile: {', '.join(keys)}", file=sys.stderr)
        try:
            values.update(zip(keys, function(), strict=True))
        except UserError as error:
            values.update(dict.fromkeys(keys))
            reasons.update(dict.fromkeys(keys, str(error)))

    def simulation() -> Values:
        photos, steps = training_files.training_photos(config.train_on), training or Training()
        return [networks.simulation_share(photos, settings.simulation, steps, machine, sizes)]

    def slowdown() -> Values:
        if machine.type != "cpu":
            raise UserError("busy_slowdown is measured on a CPU only")
        method = networks.untrained(settings.simulation, machine)
        pairs = networks.random_pairs(sizes.batch, sizes.crop, machine)
        return [busy.busy_slowdown(networks.training_step(method, *pairs), sizes.repeats)]

    def scoring() -> Values:
        # Any images will do. The degraded ones are scored as if they were restored.
        pairs = choose_images(config, settings.scoring_images)
        return scoring_speed.scoring_speed(pairs, sizes.repeats)

    def memory_ratio() -> Values:
        method = networks.untrained(settings.memory, machine)
        return [memory.memory_ratio(method, sizes.memory_sides)]

    def compare(pair: Comparison) -> Values:
        method = comparison.trained(config, run, pair.method, machine)
        variants = (method.Variant(**values) for values in (pair.variant, pair.against))
        chosen = choose_images(config, min(pair.images, images or pair.images))
        return list(asdict(comparison.gains(method, *variants, chosen)).values())

    measure(["matmul_gflops"], lambda: [matmul_rate(machine, sizes.matrix, repeats=10) / 1e9])
    for name, network in settings.denoisers.items():
        keys = [f"denoisers.{name}.{share}" for share in ("train_share", "sample_share")]
        measure(keys, partial(networks.denoiser_shares, network, machine, sizes))
    for name, network in settings.denoisers.items():
        speedup = partial(networks.bf16_speedup, network, machine, sizes)
        measure([f"bf16_speedup.{name}"], lambda speedup=speedup: [speedup()])
    measure(["simulation_share_of_training"], simulation)
    measure(["busy_slowdown"], slowdown)
    measure(["scoring_speedup", "scoring_max_difference"], scoring)
    measure(["sampling_memory_ratio"], memory_ratio)
    for name, pair in settings.comparisons.items():
        gains = [f"{name}.{field.name}" for field in fields(comparison.Gains)]
        measure(gains, partial(compare, pair))
    if beside is not None:
        for name, network in settings.denoisers.items():
            speedup = partial(step_speedup, beside.resolve(), network)
            measure([f"step_speedup.{name}"], lambda speedup=speedup: [speedup()])
    return {**_nested(values), "environment": _environment(machine), "reasons": reasons}


def choose_images(config: Config, count: int) -> list[tuple[Path, Path]]:
    """(degraded, target) of at most `count` of the run's images.

    All kinds of weather take turns, with as many different photos as possible. Images without
    weather are left out, because their PSNR can be infinite. Raises UserError if no image has a
    target.
    """
    table = set_images.find_images(config)
    table = table[(table["target"] != "") & (table["weather"] != CLEAR)]
    if table.empty:
        raise UserError("The run has no images with ground truth. Add a paired data set to it.")
    groups = [group for _, group in table.groupby("weather", sort=False)]
    chosen = []
    for i in range(min(count, len(table))):
        group = groups[i % len(groups)]
        # Each image takes the next photo. After a full cycle of weathers and photos, the photos
        # are shifted by one, so that no pair is chosen twice.
        row = group.iloc[(i + i // math.lcm(len(groups), len(group))) % len(group)]
        chosen.append((ROOT / row.input, ROOT / row.target))
    return chosen


def write(report: dict[str, Any], path: Path) -> None:
    """Write a profile as JSON, atomically."""
    write_text(path, json.dumps(report, indent=1, allow_nan=False) + "\n")


def as_table(report: dict[str, Any]) -> str:
    """A profile as lines of key and value; below them, the reasons for missing values."""
    reasons, environment = report["reasons"], report["environment"]
    lines = [f"{environment['device']}; torch {environment['torch']}"]
    for key, value in _flat(
        {k: v for k, v in report.items() if k not in ("environment", "reasons")}
    ):
        lines.append(f"{key:36} {'–' if value is None else format(value, '.4g'):>10}")
    for reason in dict.fromkeys(reasons.values()):
        lines.append(f"– {reason}")
    return "\n".join(lines)


def _environment(machine: torch.device) -> dict[str, Any]:
    return {
        "device": device.describe(machine),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def _nested(values: dict[str, float | None]) -> dict[str, Any]:
    """Keys with dots as dictionaries in dictionaries."""
    result: dict[str, Any] = {}
    for key, value in values.items():
        *parents, name = key.split(".")
        place = result
        for parent in parents:
            place = place.setdefault(parent, {})
        place[name] = value
    return result


def _flat(values: dict[str, Any], prefix: str = "") -> Iterable[tuple[str, float | None]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
