"""What a run was made of: commit, configuration, versions, machine, data."""

import importlib.metadata
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmark.checksum import checksum
from benchmark.config import Config
from benchmark.registry import ROOT

PACKAGES = (
    "torch", "torchvision", "accelerate", "lpips", "numpy", "scipy", "opencv-python-headless",
    "pillow", "pandas", "seaborn", "snakemake", "dvc", "safetensors", "spandrel", "pydantic",
)  # fmt: skip


def capture(config: Config, config_file: Path) -> dict[str, Any]:
    """A JSON-able description of the code, the configuration, the data and the machine."""
    from benchmark import device

    machine, pointer = device.choose(), ROOT / "data.dvc"
    return {
        "run": config.name,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "HEAD") or "unknown",
        "uncommitted_changes": bool(_git("status", "--porcelain")),
        "config_file": str(config_file),
        "config": config.model_dump(mode="json"),
        "data": {"data.dvc sha256": checksum(pointer) if pointer.exists() else None},
        "datasets": {name: _dataset(config.card_of(name)) for name in config.datasets},
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "processor": device.processor(),
            "cores": os.cpu_count(),
            "device": device.describe(machine),
        },
    }


def _dataset(name: str) -> dict[str, Any]:
    """What a data set's card says of its origin."""
    from benchmark.datasets import load_card

    wanted = {"title", "path", "licence", "source", "citation", "overlaps"}
    return {"card": name, **load_card(name).model_dump(mode="json", include=wanted)}


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
