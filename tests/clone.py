"""A copy of the repository in which the workflow can run, for tests."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.core.paths import ROOT

SMOKE = "config/smoke.yaml"


def clone(folder: Path) -> Path:
    """The repository copied to `folder`; the test is skipped, saying so, without the data."""
    if not (ROOT / "data" / "manifest.json").exists():
        pytest.skip("the data are not here: run 'dvc pull'")
    for name in ("benchmark", "methods", "workflow", "config", ".dvc", "data-store"):
        ignore = shutil.ignore_patterns("__pycache__", "tmp", "cache")
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    shutil.copy(ROOT / "data.dvc", folder)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return folder


def snakemake(folder: Path, *options: str) -> subprocess.CompletedProcess:
    """Run the workflow of a clone on all cores, or as `options` say."""
    command = [sys.executable, "-m", "snakemake", "--cores", "all", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)
