"""All measurements of a profile, as a dictionary, a JSON file and a table."""

import json
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmark.core import device
from benchmark.core.atomic import write_text
from benchmark.core.errors import UserError
from benchmark.core.paths import ROOT
from benchmark.data import cards, training_files
from benchmark.profiling import memory, networks, published, scoring_speed
from benchmark.profiling.timing import Sizes, matmul_rate
from benchmark.results.layout import RunFolder
from benchmark.spec.method import CLEAR
from benchmark.spec.run_config import Config
from benchmark.spec.training_settings import Training
from methods.networks.denoisers import DENOISERS

Values = Sequence[float]


def profile(
    config: Config,
    run: RunFolder,
    images: int = 5,
    sizes: Sizes | None = None,
    training: Training | None = None,
) -> dict[str, Any]:
    """Measure everything; what needs data or weights that are missing is None, with a reason.

    images: test images that the published default restores; the comparisons that take less time
    get twice as many. sizes, training: of the measurements, smaller in tests. Returns
    `matmul_gflops`, `denoisers` (name: `train_share`, `sample_share`),
    `simulation_share_of_training`, `published_sampler` and `published_default` (`speedup`,
    `psnr_gain_db`, `lpips_gain`), `scoring_speedup`, `scoring_max_difference`,
    `sampling_memory_ratio` (of 40 to 4 megapixels), `environment`, and `reasons` (key with dots:
    why it is None).
    """
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
        photos = training_files.training_photos(config.train_on)
        return [networks.simulation_share(photos, training or Training(), machine, sizes)]

    def sampler() -> Values:
        method, _ = published.trained(config, run, machine)
        return _gains(published.sampler_gains(method, choose_images(config, 2 * images)))

    def default() -> Values:
        method, label = published.trained(config, run, machine)
        variant = next(iter(config.variants_of(label).values()))
        return _gains(published.default_gains(method, variant, choose_images(config, images)))

    def scoring() -> Values:
        # Any images will do: the degraded ones stand for restored ones.
        return scoring_speed.scoring_speed(choose_images(config, 2 * images), sizes.repeats)

    def ratio() -> Values:
        return [memory.memory_ratio(networks.diffusion(machine), sizes.memory_sides)]

    measure(["matmul_gflops"], lambda: [matmul_rate(machine, sizes.matrix, repeats=10) / 1e9])
    for name in DENOISERS:
        keys = [f"denoisers.{name}.{share}" for share in ("train_share", "sample_share")]
        measure(keys, lambda name=name: networks.denoiser_shares(name, machine, sizes))
    measure(["simulation_share_of_training"], simulation)
    measure(["scoring_speedup", "scoring_max_difference"], scoring)
    measure(["sampling_memory_ratio"], ratio)
    for part, function in {"published_sampler": sampler, "published_default": default}.items():
        measure([f"{part}.{key}" for key in published.Gains.__dataclass_fields__], function)
    return {**_nested(values), "environment": _environment(machine), "reasons": reasons}


def choose_images(config: Config, count: int) -> list[tuple[Path, Path]]:
    """(degraded, target) of `count` of the run's images: all kinds of weather in turn, and as many
    different photos as there are. Clear ones, whose PSNR is infinite, are left out. Raises
    UserError if none has a target."""
    table = cards.find_images(config)
    table = table[(table["target"] != "") & (table["weather"] != CLEAR)]
    if table.empty:
        raise UserError("The run has no images with ground truth. Add a paired data set to it.")
    groups = [group for _, group in table.groupby("weather", sort=False)]
    chosen = []
    for i in range(min(count, len(table))):
        group = groups[i % len(groups)]
        # The next kind of weather gets the next photo, and the next round goes on from there.
        row = group.iloc[(i + i // math.lcm(len(groups), len(group))) % len(group)]
        chosen.append((ROOT / row.input, ROOT / row.target))
    return chosen


def write(report: dict[str, Any], path: Path) -> None:
    """Write a profile as JSON, atomically."""
    write_text(path, json.dumps(report, indent=1, allow_nan=False) + "\n")


def as_table(report: dict[str, Any]) -> str:
    """A profile as lines of key and value, and below them why values are missing."""
    reasons, environment = report["reasons"], report["environment"]
    lines = [f"{environment['device']}; torch {environment['torch']}"]
    for key, value in _flat(
        {k: v for k, v in report.items() if k not in ("environment", "reasons")}
    ):
        lines.append(f"{key:36} {'–' if value is None else format(value, '.4g'):>10}")
    for reason in dict.fromkeys(reasons.values()):
        lines.append(f"– {reason}")
    return "\n".join(lines)


def _gains(gains: published.Gains) -> Values:
    return list(asdict(gains).values())


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
