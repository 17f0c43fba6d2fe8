"""A copy of the repository in which the workflow can run, for tests."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from benchmark.core.paths import ROOT
from tests.preloaded import python

SMOKE = "config/smoke.yaml"
DATA = ROOT / "data" / "manifest.json"
# Folders with most bytes of a clone. Copies of the clone share their files: a test that changes
# such a file has to replace it.
SHARED = (("data",), ("data-store",), (".dvc", "cache"))


def clone(folder: Path) -> Path:
    """The repository copied to `folder`; the test is skipped without the data, with the reason."""
    if not DATA.exists():
        pytest.skip("the data are not here: run 'dvc pull'")
    for name in ("benchmark", "methods", "workflow", "config", ".dvc", "data-store"):
        ignore = shutil.ignore_patterns("__pycache__", "tmp", "cache")
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    shutil.copy(ROOT / "data.dvc", folder)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return folder


def copied(source: Path, folder: Path) -> Path:
    """A clone copied to `folder` with all that was made in it. Files of SHARED are hard links."""

    def copy(file: str, target: str) -> None:
        parts = Path(file).relative_to(source).parts
        shares = any(parts[: len(top)] == top for top in SHARED)
        (os.link if shares else shutil.copy2)(file, target)

    return shutil.copytree(source, folder, symlinks=True, copy_function=copy)


def snakemake(folder: Path, *options: str) -> subprocess.CompletedProcess:
    """Run the workflow of a clone on all cores, or as `options` say."""
    return subprocess.run(workflow_command(*options), cwd=folder, capture_output=True, text=True)


def workflow_command(*options: str) -> list[str]:
    return [python(), "-m", "snakemake", "--cores", "all", *options]
