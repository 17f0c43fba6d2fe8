"""The workflow from data to report on two photos, and what it re-runs after an edit."""

import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import yaml

from benchmark.results import schema
from tests.clone import SMOKE, snakemake


def planned(folder: Path, config: str = SMOKE) -> dict[str, int]:
    """Jobs by rule that would run now."""
    done = snakemake(folder, "--dry-run", "--config", f"run={config}")
    assert done.returncode == 0, done.stderr
    stats = (
        done.stdout.split("Job stats:")[1].split("total")[0] if "Job stats" in done.stdout else ""
    )
    return {rule: int(n) for rule, n in re.findall(r"^(\w+)\s+(\d+)\s*$", stats, re.M)}


def test_every_result_is_there(repository):
    run = repository / "results" / "smoke"
    scores = pd.read_csv(run / "scores.csv")
    assert tuple(scores.columns) == schema.SCORES
    assert scores.status.isin(schema.STATUSES).all()
    # 2 weathers × 2 photos × 5 metrics for each of 6 variants
    assert len(scores) == 2 * 2 * 5 * 6
    skipped = scores[scores.status == "skipped"]
    assert set(zip(skipped.method, skipped.weather, strict=True)) == {("dark_channel", "rain")}
    assert scores[scores.status == "ok"].value.notna().all()
    assert tuple(pd.read_csv(run / "cost.csv").columns) == schema.COST
    for name in ("leaderboard.csv", "leaderboard.md", "manifest.json", "report/index.html"):
        assert (run / name).stat().st_size > 0
    assert list((run / "figures").rglob("*.svg"))


def test_running_again_does_nothing(repository):
    assert planned(repository) == {}


def planned_after(repository: Path, name: str, old: str, new: str) -> dict[str, int]:
    """Jobs by rule that would run if the file said `new` for `old`; it is left as it was."""
    file = repository / name
    text = file.read_text()
    edited = text.replace(old, new)
    assert edited != text
    file.write_text(edited)
    try:
        return planned(repository)
    finally:
        file.write_text(text)


def test_an_edit_of_a_method_re_runs_that_method_only(repository):
    name = "methods/regression.py"
    text = (repository / name).read_text()
    jobs = planned_after(repository, name, text, text + "\n# edited\n")
    assert (jobs["train"], jobs["restore"], jobs["score"]) == (1, 1, 1)


def test_new_step_counts_never_retrain(repository):
    old, new = "ddpm-2: {sampler: ddpm, steps: 2}", "ddpm-3: {sampler: ddpm, steps: 3}"
    jobs = planned_after(repository, SMOKE, old, new)
    assert "train" not in jobs
    assert (jobs["restore"], jobs["score"]) == (1, 1)


def test_a_variant_less_is_no_longer_scored(repository):
    jobs = planned_after(repository, SMOKE, "      ddpm-2: {sampler: ddpm, steps: 2}\n", "")
    assert "restore" not in jobs
    assert (jobs["score"], jobs["collect"]) == (1, 1)


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


def test_what_is_tried_again_is_planned_and_nothing_else(repository, tmp_path):
    clone = shutil.copytree(repository, tmp_path / "clone", symlinks=True)
    table = clone / "results/smoke/restored/unet/default/seed0/photos.csv"
    stamp = table.stat()
    table.write_text(table.read_text().replace(",ok,", ",timed-out,"))
    os.utime(table, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert planned(clone) == {}
    retry = [sys.executable, "-m", "benchmark", "retry", "--config", SMOKE]
    subprocess.run([*retry, "--status", "timed-out"], cwd=clone, check=True)
    jobs = planned(clone)
    assert (jobs["restore"], jobs["score"], jobs["collect"]) == (1, 1, 1)
    assert "train" not in jobs


def test_a_data_file_changed_afterwards_is_an_error_that_names_it(repository):
    """It leaves no images.csv: Snakemake takes away what a job that failed was to make anew."""
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


KILLS_ITSELF = "        os.kill(os.getpid(), signal.SIGKILL)"
SLEEPS = "        time.sleep(600)"
NEEDS_MEMORY = """\
        now = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + 2**28, now + 2**28))
        return degraded + torch.ones(2**30).sum()"""
METHOD = """\
import os, resource, signal, time

import torch

from benchmark.spec.method import Card, Method


class Misbehaves(Method):
    card = Card(title="t", citation="c", licence="l", supervision="none", description="d")

    def restore(self, degraded, variant, generators):
"""


def test_a_method_that_misbehaves_stops_no_other(repository):
    behaviour = {
        "kills_itself": KILLS_ITSELF,
        "sleeps": SLEEPS,
        "needs_memory": NEEDS_MEMORY,
    }
    for name, body in behaviour.items():
        (repository / "methods" / f"{name}.py").write_text(METHOD + body + "\n")
    entries = {**dict.fromkeys(("identity", *behaviour)), "sleeps": {"time_limit": 0.1}}
    config = yaml.safe_load((repository / SMOKE).read_text())
    dataset = {"split": "val", "weathers": ["rain"], "limit": 1}
    config |= {"name": "wild", "methods": entries, "protocols": ["rgb"]}
    config["datasets"] = {"photos": dataset}
    (repository / "config/wild.yaml").write_text(yaml.safe_dump(config))
    board = "results/wild/leaderboard.csv"
    try:
        done = snakemake(repository, board, "--config", "run=config/wild.yaml")
    finally:
        for name in behaviour:
            (repository / "methods" / f"{name}.py").unlink()
    assert done.returncode == 0, done.stdout + done.stderr
    assert (repository / board).exists()
    cost = pd.read_csv(repository / "results/wild/cost.csv").set_index("method")
    assert cost.status.to_dict() == {
        "identity": "ok",
        "kills_itself": "failed",
        "sleeps": "timed-out",
        "needs_memory": "out-of-memory",
    }
    says = {
        "kills_itself": "ended by SIGKILL",
        "sleeps": "not done after 0.1 minutes",
        "needs_memory": "allocate memory",
    }
    for name, reason in says.items():
        log = f"results/wild/logs/restore/{name}-default-seed0-photos.log"
        assert reason in cost.reason[name]
        assert cost.reason[name].endswith(f"(log: {log})")
        assert (repository / log).exists()


def test_ten_times_as_many_jobs_take_at_most_ten_times_as_long_to_plan(repository):
    seconds = []
    for seeds in (6, 60):
        config = {
            "name": "many", "train_on": "photos", "discover": False, "seeds": list(range(seeds)),
            "datasets": {f"set{i}": {"card": "photos"} for i in range(5)},
            "methods": {"unet": {
                "method": "regression",
                "variants": {f"tile-{i}": {"tile": 128 + i} for i in range(5)},
            }},
        }  # fmt: skip
        (repository / "config/many.yaml").write_text(yaml.safe_dump(config))
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        jobs = planned(repository, "config/many.yaml")
        assert (jobs["train"], jobs["restore"], jobs["score"]) == (seeds, 25 * seeds, 5 * seeds)
        seconds.append(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before)
    assert seconds[1] < 10 * seconds[0]
