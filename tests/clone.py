"""A copy of the repository in which the workflow can run, for tests."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
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


def planned(folder: Path, config: str = SMOKE) -> dict[str, int]:
    """Jobs by rule that would run now in a clone."""
    done = snakemake(folder, "--dry-run", "--config", f"run={config}")
    assert done.returncode == 0, done.stdout + done.stderr
    return jobs_in(done.stdout)


def jobs_in(output: str) -> dict[str, int]:
    """Jobs by rule, from the table that a dry run prints."""
    table = output.split("Job stats:")[1].split("total")[0] if "Job stats" in output else ""
    return {rule: int(n) for rule, n in re.findall(r"^(\w+)\s+(\d+)\s*$", table, re.M)}


@contextmanager
def edited(folder: Path, *edits: tuple[str, str, str]) -> Iterator[None]:
    """Inside: in files of a clone, each a (file, old, new), a text is replaced once."""
    texts = {name: (folder / name).read_text() for name, _, _ in edits}
    try:
        for name, old, new in edits:
            text = (folder / name).read_text()
            assert old in text, (name, old)
            (folder / name).write_text(text.replace(old, new, 1))
        yield
    finally:
        for name, text in texts.items():
            (folder / name).write_text(text)


@contextmanager
def replaced(file: Path) -> Iterator[None]:
    """Inside: a file of the data has another content."""
    content = file.read_bytes()
    replace(file, content + b"\n")
    try:
        yield
    finally:
        replace(file, content)


def replace(file: Path, content: bytes) -> None:
    """Write a file of the data, which other clones share, as a new one."""
    file.unlink()
    file.write_bytes(content)
