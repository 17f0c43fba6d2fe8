"""Trains and restores every method twice, at a tiny size, and compares the results bit by bit.

    python -m tests.campaigns.twice --precision bf16

Runs on the GPU, or on the CPU if there is none. A part is a training, whose weights are compared,
or the restoration of two images by one variant. Each method of `methods/` must have an entry in
`every_method.yaml`, except for those that run with published weights only.
"""

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

import torch

from benchmark.core import device
from benchmark.core.checksum import checksum
from benchmark.data import set_images
from benchmark.results import schema, training_record
from benchmark.results.layout import RESTORED, RunFolder, write_csv
from benchmark.results.tables import read_table
from benchmark.spec import config_reader, registry, sources
from benchmark.spec.run_config import Config
from tests import run_jobs

ENTRIES = Path(__file__).with_name("every_method.yaml")
PUBLISHED = {"checkpoint", "weatherdiff"}  # run with their authors' weights only
Outcome = tuple[str, ...]  # status, reason and checksum, of each image or of the weights


def load(precision: str = "no", compiled: bool = False, only: list[str] | None = None) -> Config:
    """The configuration of all entries or those in `only`. ValueError if a method has none."""
    config = config_reader.load(ENTRIES)
    missing = {*registry.available()} - PUBLISHED - {config.method_of(m) for m in config.methods}
    if missing:
        raise ValueError(f"{ENTRIES.name} has no entry of {', '.join(sorted(missing))}")
    chosen = {m: entry for m, entry in config.methods.items() if not only or m in only}
    update = {"precision": precision, "compile": compiled}
    training = config.training.model_copy(update=update)
    return config.model_copy(update={"methods": chosen, "training": training})


def run(config: Config, folder: Path) -> dict[str, Outcome]:
    """Train and restore every entry in `folder`. The outcomes by name of the part."""
    there, outcomes = RunFolder(folder), {}
    folder.mkdir()
    write_csv(set_images.find_images(config), there.images)
    for label in config.methods:
        if sources.learns(config.method_of(label)):
            run_jobs.train(config, there, label, 0)
            outcomes[f"train {label}"] = _training_outcome(there.training(label, 0))
        for variant in config.variants_of(label):
            run_jobs.restore(config, there, label, variant, 0, "photos")
            table = read_table(there.restored(label, variant, 0, "photos"), RESTORED, "")
            rows = table[["status", "reason", "sha256"]].to_numpy()
            outcomes[f"restore {label} {variant}"] = tuple(map(str, rows.ravel()))
    return outcomes


def _training_outcome(folder: Path) -> Outcome:
    facts, weights = training_record.read(folder, ""), folder / "weights.safetensors"
    whole = checksum(weights) if weights.exists() else ""
    return facts["status"], facts.get("reason", ""), whole


def wrong(first: dict[str, Outcome], second: dict[str, Outcome]) -> list[str]:
    """One line for each part that failed or differs."""
    good = {schema.OK, schema.SKIPPED}
    lines = [
        f"{part}: {' '.join(outcome)}"
        for part, outcome in first.items()
        if not good.issuperset(outcome[::3])
    ]
    return lines + [f"{part}: not the same twice" for part in first if first[part] != second[part]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--precision", choices=("no", "bf16", "fp16"), default="no")
    parser.add_argument("--compile", action="store_true", help="torch compiles the networks")
    parser.add_argument("--only", nargs="*", help="these entries of every_method.yaml")
    arguments = parser.parse_args()
    config = load(arguments.precision, arguments.compile, arguments.only)
    with tempfile.TemporaryDirectory() as folder:
        first, second = (run(config, Path(folder) / name) for name in ("first", "second"))
    faults = wrong(first, second)
    counts = Counter(part.split()[0] for part in first)
    print(f"torch {torch.__version__}, {device.describe(device.choose())}, {config.training}")
    print(f"{counts['train']} trainings, {counts['restore']} restorings, {len(faults)} faults")
    print(*faults, sep="\n")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
