"""The manifest of a run: commit, configuration, versions, machine, data and weights."""

import hashlib
import importlib.metadata
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

import benchmark
from benchmark.core.checksum import checksum
from benchmark.core.paths import CODE, ROOT
from benchmark.data import set_manifest
from benchmark.data.cards import load_card
from benchmark.jobs import resolve
from benchmark.results import simulation, training_record
from benchmark.results.layout import AGAIN, RunFolder
from benchmark.results.tables import read_images
from benchmark.spec.method import ALL_WEATHERS
from benchmark.spec.run_config import Config

PACKAGES = (
    "torch", "torchvision", "accelerate", "lpips", "numpy", "scipy", "opencv-python-headless",
    "pillow", "pandas", "seaborn", "snakemake", "dvc", "safetensors", "spandrel", "pydantic",
)  # fmt: skip


def make_manifest(config: Config, config_file: Path, run: RunFolder) -> dict[str, Any]:
    """The content of manifest.json: the code, the configuration, the data and the machine.

    Where the code is not in a git repository, as in an installed package, `commit` is "unweather
    VERSION", and `uncommitted_changes` is None.
    """
    return {
        "run": config.name,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "uncommitted_changes": _uncommitted(),
        "config_file": str(config_file),
        "config": config.model_dump(mode="json"),
        "data": _data(run),
        simulation.KEY: _simulation(config, run),
        "weights": _weights(config, run),
        "datasets": {name: _dataset(config.card_of(name)) for name in config.datasets},
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "machine": _machine(),
        "computed_with": _computed_with(run),
    }


def images_checksum(images: pd.DataFrame) -> str:
    """SHA-256 of the names and contents of the test images; their paths do not count."""
    names = ["dataset", "weather", "image", "input_sha256", "target_sha256"]
    lines = sorted("\t".join(row) for row in images[names].to_numpy().tolist())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _data(run: RunFolder) -> dict[str, str | None]:
    pointer, images = ROOT / "data.dvc", read_images(run.path)
    return {
        "data.dvc sha256": checksum(pointer) if pointer.exists() else None,
        "test images sha256": None if images is None else images_checksum(images),
    }


def _simulation(config: Config, run: RunFolder) -> dict[str, list[int]]:
    """The versions of the simulated weather, see `simulation.of_run`."""
    trained = set()
    for label in config.methods:
        for seed in config.seeds_of(label):
            if (folder := run.training(label, seed)).joinpath("training.json").exists():
                trained.add(simulation.of_training(training_record.read(folder, AGAIN)))
    cards = [load_card(config.card_of(name)) for name in config.datasets]
    pairs = {
        set_manifest.version(card.folder, card.manifest)
        for card in cards
        if {*card.weathers} & {*ALL_WEATHERS}
    }
    return {"training": sorted(trained - {None}), "test pairs": sorted(pairs - {None})}


def _weights(config: Config, run: RunFolder) -> dict[str, str]:
    """SHA-256 of the weight file of every trained entry, by `ENTRY seed N`."""
    found = {}
    for label in config.methods:
        for seed in config.seeds_of(label):
            file = run.training(label, seed) / "weights.safetensors"
            if file.exists():
                found[f"{label} seed {seed}"] = checksum(file)
    return found


def _computed_with(run: RunFolder) -> dict[str, Any]:
    """What changes the last bits of results where nothing else does, of trainings and restorings.

    The order of additions depends on it (docs/robustness.md has what was measured).
    """
    import torch

    known = resolve.recorded(run) or resolve.Resolved()
    instructions = torch.backends.cpu.get_cpu_capability()
    return {**known.model_dump(mode="json"), "instructions": instructions}


def _machine() -> dict[str, Any]:
    import torch

    from benchmark.core import device

    machine = device.choose()
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": device.processor(),
        "cores": os.cpu_count(),
        "device": machine.type,
        "gpus": [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())],
        "cuda": torch.version.cuda if machine.type == "cuda" else None,
    }


def _commit() -> str:
    return _git("rev-parse", "HEAD") or f"unweather {benchmark.__version__}"


def _uncommitted() -> bool | None:
    changes = _git("status", "--porcelain")
    return None if changes is None else bool(changes)


def _dataset(name: str) -> dict[str, Any]:
    """The origin of a data set, from its card."""
    wanted = {"title", "path", "licence", "source", "citation", "overlaps"}
    return {"card": name, **load_card(name).model_dump(mode="json", include=wanted)}


def _git(*arguments: str) -> str | None:
    if not (CODE / ".git").exists():  # a repository around an installed package is another's
        return None
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=CODE, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
