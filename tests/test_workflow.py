"""The workflow from data to report on two photos, and what it re-runs after an edit."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from benchmark import columns
from benchmark.registry import ROOT

SMOKE = "config/smoke.yaml"


def snakemake(folder: Path, *options: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "snakemake", "--cores", "all", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def planned(folder: Path, config: str = SMOKE) -> dict[str, int]:
    """Jobs by rule that would run now."""
    done = snakemake(folder, "--dry-run", "--config", f"run={config}")
    assert done.returncode == 0, done.stderr
    stats = (
        done.stdout.split("Job stats:")[1].split("total")[0] if "Job stats" in done.stdout else ""
    )
    return {rule: int(n) for rule, n in re.findall(r"^(\w+)\s+(\d+)\s*$", stats, re.M)}


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A copy of the repository in which the smoke run has been made."""
    if not (ROOT / "data" / "manifest.json").exists():
        pytest.skip("the data are not here: run 'dvc pull'")
    folder = tmp_path_factory.mktemp("clone")
    for name in ("benchmark", "methods", "workflow", "config", ".dvc", "data-store"):
        ignore = shutil.ignore_patterns("__pycache__", "tmp", "cache")
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    shutil.copy(ROOT / "data.dvc", folder)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    done = snakemake(folder, "--config", f"run={SMOKE}")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_result_is_there(repository):
    run = repository / "results" / "smoke"
    scores = pd.read_csv(run / "scores.csv")
    assert tuple(scores.columns) == columns.SCORES
    assert scores.status.isin(columns.STATUSES).all()
    # 2 weathers × 2 photos × 5 metrics for each of 6 variants
    assert len(scores) == 2 * 2 * 5 * 6
    skipped = scores[scores.status == "skipped"]
    assert set(zip(skipped.method, skipped.weather, strict=True)) == {("dark_channel", "rain")}
    assert scores[scores.status == "ok"].value.notna().all()
    assert tuple(pd.read_csv(run / "cost.csv").columns) == columns.COST
    for name in ("leaderboard.csv", "leaderboard.md", "manifest.json", "report/index.html"):
        assert (run / name).stat().st_size > 0
    assert list((run / "figures").rglob("*.svg"))


def test_running_again_does_nothing(repository):
    assert planned(repository) == {}


def test_an_edit_of_a_method_re_runs_that_method_only(repository):
    file = repository / "methods" / "regression.py"
    before = file.read_text()
    file.write_text(before + "\n# edited\n")
    try:
        jobs = planned(repository)
    finally:
        file.write_text(before)
    assert (jobs["train"], jobs["restore"], jobs["score"]) == (1, 1, 1)


def test_new_step_counts_never_retrain(repository):
    text = (repository / SMOKE).read_text()
    edited = text.replace("ddpm-2: {sampler: ddpm, steps: 2}", "ddpm-3: {sampler: ddpm, steps: 3}")
    assert edited != text
    (repository / SMOKE).write_text(edited)
    try:
        jobs = planned(repository)
    finally:
        (repository / SMOKE).write_text(text)
    assert "train" not in jobs
    assert (jobs["restore"], jobs["score"]) == (1, 1)


def test_a_misspelt_method_is_an_error_that_names_it(repository):
    (repository / "config" / "wrong.yaml").write_text(
        (repository / SMOKE).read_text().replace("method: regression", "method: regresion")
    )
    done = snakemake(repository, "--dry-run", "--config", "run=config/wrong.yaml")
    assert done.returncode != 0
    assert "Did you mean 'regression'" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_damaged_dvc_object_is_an_error_that_says_so(repository):
    """One object of the remote is damaged, and a fresh clone pulls it."""
    clone = repository.parent / f"{repository.name}-damaged"
    shutil.copytree(repository, clone, ignore=shutil.ignore_patterns("data", "results", "cache"))
    victim = max((clone / "data-store").rglob("*"), key=lambda p: p.stat().st_size)
    victim.chmod(0o644)
    victim.write_bytes(victim.read_bytes()[:-1000])
    done = snakemake(clone, "--config", f"run={SMOKE}")
    assert done.returncode != 0
    assert "'git checkout data-store' restores it" in done.stdout + done.stderr
    assert not (clone / "results" / "smoke" / "images.csv").exists()
    shutil.rmtree(clone)


def test_a_data_file_changed_afterwards_is_an_error_that_names_it(repository):
    photo = next((repository / "data" / "photos" / "train").iterdir())
    before = photo.read_bytes()
    photo.unlink()  # it may be a link into DVC's cache
    photo.write_bytes(before[:-100])
    try:
        done = snakemake(repository, "--forcerun", "images", "--config", f"run={SMOKE}")
    finally:
        photo.write_bytes(before)
    assert done.returncode != 0
    assert f"{photo.name} differs from the set's manifest" in done.stdout + done.stderr
    assert (repository / "results" / "smoke" / "scores.csv").exists()
