"""The workflow from data to report on two photos, and what it re-runs after an edit."""

import os
import pstats
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
import yaml

from benchmark.core.paths import ROOT
from benchmark.results import schema
from tests.campaigns.planning import MANY, write_many
from tests.clone import SMOKE, snakemake
from tests.preloaded import python


def planned(folder: Path, config: str = SMOKE) -> dict[str, int]:
    """Jobs by rule that would run now in a folder."""
    done = snakemake(folder, "--dry-run", "--config", f"run={config}")
    assert done.returncode == 0, done.stdout + done.stderr
    return jobs_in(done.stdout)


def jobs_in(output: str) -> dict[str, int]:
    """Jobs by rule, from the table that a dry run prints."""
    table = output.split("Job stats:")[1].split("total")[0] if "Job stats" in output else ""
    return {rule: int(n) for rule, n in re.findall(r"^(\w+)\s+(\d+)\s*$", table, re.M)}


def test_every_result_is_there(smoke_run):
    run = smoke_run / "results" / "smoke"
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


def edit(repository: Path, name: str, old: str, new: str) -> None:
    file = repository / name
    text = file.read_text()
    edited = text.replace(old, new)
    assert edited != text
    file.write_text(edited)


# Each with the jobs that it re-runs: (file, old, new).
EDITS = [
    # What a method computes, while training or while restoring.
    ([("methods/regression.py", "2 * clean - 1)", "2.0 * clean - 1)")], {"train": 1, "restore": 1}),
    ([("methods/regression.py", "evaluate(self.network, x)", "evaluate(self.network, 1.0 * x)")],
     {"restore": 1}),
    ([("benchmark/spec/build.py", "torch.manual_seed(", "torch.random.manual_seed(")],
     {"train": 2, "restore": 6}),
    # A setting that can change the weights.
    ([(SMOKE, "warmup: 1", "warmup: 2")], {"train": 2, "restore": 3}),
    # A network or a sampler: only what the entry's settings choose.
    ([("methods/networks/unet.py", "super().__init__()", "super().__init__()\n        pass")],
     {"train": 2, "restore": 3}),
    ([("methods/diffusion/samplers/ddpm.py", "return ", "return 1.0 * ")], {"restore": 1}),
    # What no job of this run computes: alternatives that are not chosen, comments, docstrings, a
    # constant that nothing uses.
    ([("methods/diffusion/samplers/plms.py", "return ", "return 1.0 * "),
      ("methods/networks/nafnet.py", "import torch\n", "import torch\n\nLIMIT = 1\n"),
      ("methods/diffusion/samplers/ddpm.py", "def ddpm(", "LIMIT = 1\n\n\ndef ddpm("),
      ("methods/regression.py", "class Regression", "# edited\nclass Regression"),
      ("config/datasets/photos.yaml", "title:", "# edited\ntitle:"),
      (SMOKE, "workers: 0", "workers: 1"),
      ("benchmark/core/errors.py", '"""', '"""In other words: ')], {}),
]  # fmt: skip


def test_an_edit_re_runs_what_computes_something_else(repository):
    """What is restored is scored again, and the tables are collected again."""
    for edits, jobs in EDITS:
        texts = {name: (repository / name).read_text() for name, _, _ in edits}
        for name, old, new in edits:
            assert old in texts[name]
            (repository / name).write_text(texts[name].replace(old, new, 1))
        found = planned(repository)
        assert {rule: found[rule] for rule in ("train", "restore") if rule in found} == jobs, edits
        for name, text in texts.items():
            (repository / name).write_text(text)


def test_a_replaced_photograph_is_noticed(repository):
    """A training photograph: all trainings, and what follows. A test image: no training."""
    photo = next((repository / "data/photos/train").iterdir())
    content = photo.read_bytes()
    replace(photo, content + b"\n")
    jobs = planned(repository)
    assert (jobs["train"], jobs["restore"], jobs["score"]) == (2, 3, 2)
    replace(photo, content)
    assert planned(repository) == {}
    image = repository / pd.read_csv(repository / "results/smoke/images.csv").input[0]
    replace(image, image.read_bytes() + b"\n")
    jobs = planned(repository)
    assert (jobs["restore"], jobs["score"]) == (6, 5)
    assert "train" not in jobs


def test_the_text_of_a_methods_card_is_collected_and_nothing_is_computed(repository):
    edit(repository, "methods/regression.py", 'title="Regression"', 'title="Another title"')
    jobs = planned(repository)
    assert "collect" in jobs and not {"train", "restore", "score"} & set(jobs)


def test_trainings_run_side_by_side_and_restorings_alone(smoke_run):
    """In the log of the smoke run, by the groups of jobs that Snakemake starts together."""
    if os.cpu_count() == 1:
        pytest.skip("this machine has one core")
    logs = [path.read_text() for path in (smoke_run / ".snakemake/log").glob("*.log")]
    groups = re.split(r"^Execute \d+ jobs", max(logs, key=len), flags=re.M)[1:]
    started = [re.findall(r"^Job \d+: (\w+)", group, re.M) for group in groups]
    assert any(jobs.count("train") == 2 for jobs in started)
    assert all(len(jobs) == 1 for jobs in started if "restore" in jobs)


def test_new_step_counts_never_retrain(repository):
    old, new = "ddpm-2: {sampler: ddpm, steps: 2}", "ddpm-3: {sampler: ddpm, steps: 3}"
    edit(repository, SMOKE, old, new)
    jobs = planned(repository)
    assert "train" not in jobs
    assert (jobs["restore"], jobs["score"]) == (1, 1)


def test_without_a_variant_its_method_is_scored_again_and_nothing_restored(repository):
    edit(repository, SMOKE, "      ddpm-2: {sampler: ddpm, steps: 2}\n", "")
    jobs = planned(repository)
    assert "restore" not in jobs
    assert (jobs["score"], jobs["collect"]) == (1, 1)


@pytest.mark.parametrize("name", ["{a}", "a}", "{{"])
def test_a_folder_whose_path_has_braces_is_refused_with_a_word(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    for part in ("benchmark", "methods", "workflow", "config"):
        (folder / part).symlink_to(ROOT / part)
    done = snakemake(folder, "--dry-run", "--config", f"run={SMOKE}")
    assert done.returncode != 0
    assert "braces in a path" in done.stdout + done.stderr


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
    for name in ("data", "results", ".dvc/cache"):
        shutil.rmtree(repository / name)
    victim = max((repository / "data-store").rglob("*"), key=lambda p: p.stat().st_size)
    replace(victim, victim.read_bytes()[:-1000])
    done = snakemake(repository, "--config", f"run={SMOKE}")
    assert done.returncode != 0
    assert "restore it with 'git checkout data-store'" in done.stdout + done.stderr
    assert not (repository / "results" / "smoke" / "images.csv").exists()


def replace(file: Path, content: bytes) -> None:
    """Write a file of the data, which other clones share, as a new one."""
    file.unlink()
    file.write_bytes(content)


def test_what_is_tried_again_is_planned_and_nothing_else(repository):
    table = repository / "results/smoke/restored/unet/default/seed0/photos.csv"
    stamp = table.stat()
    table.write_text(table.read_text().replace(",ok,", ",timed-out,"))
    os.utime(table, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert planned(repository) == {}
    retry = [python(), "-m", "benchmark", "retry", "--config", SMOKE]
    subprocess.run([*retry, "--status", "timed-out"], cwd=repository, check=True)
    jobs = planned(repository)
    assert (jobs["restore"], jobs["score"], jobs["collect"]) == (1, 1, 1)
    assert "train" not in jobs


def test_a_data_file_changed_afterwards_is_an_error_that_names_it(repository):
    photo = repository / pd.read_csv(repository / "results/smoke/images.csv").input[0]
    replace(photo, photo.read_bytes() + b"\n")
    done = snakemake(repository, "--config", f"run={SMOKE}")
    assert done.returncode != 0
    message = rf"{re.escape(photo.name)}'? differs from the set's manifest"
    assert re.search(message, done.stdout + done.stderr)
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
    entries = {**dict.fromkeys(("identity", *behaviour)), "sleeps": {"time_limit": 0.01}}
    config = yaml.safe_load((repository / SMOKE).read_text())
    dataset = {"split": "val", "weathers": ["rain"], "limit": 1}
    config |= {"name": "wild", "methods": entries, "protocols": ["rgb"]}
    config["datasets"] = {"photos": dataset}
    (repository / "config/wild.yaml").write_text(yaml.safe_dump(config))
    board = "results/wild/leaderboard.csv"
    done = snakemake(repository, board, "--config", "run=config/wild.yaml")
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
        "sleeps": "not done after 0.01 minutes",
        "needs_memory": "allocate memory",
    }
    for name, reason in says.items():
        log = f"results/wild/logs/restore/{name}-default-seed0-photos.log"
        assert reason in cost.reason[name]
        assert cost.reason[name].endswith(f"(log: {log})")
        assert (repository / log).exists()


JOBS_A_SEED = {"train": 1, "restore": 25, "score": 5}
CALLS_A_JOB = 24_000  # 21,330 with Snakemake 9.27; 26,890 if sources are looked up for each job


def test_planning_takes_as_many_calls_for_a_job_however_many_there_are(repository):
    """Sources are found once and nothing is looked up in all jobs for each job. Calls are counted,
    because a duration depends on the machine; tests/campaigns/planning.py measures durations."""
    shutil.rmtree(repository / "data")  # else the first plan alone reads images, the later ones not
    calls, file = [], repository / "calls"
    for seeds in (1, 3, 5):
        write_many(repository, seeds)
        command = [python(), "-m", "cProfile", "-o", file, "-m", "snakemake", "--dry-run"]
        command += ["--cores", "all", "--config", f"run={MANY}"]
        done = subprocess.run(command, cwd=repository, capture_output=True, text=True)
        jobs = jobs_in(done.stdout)
        assert {rule: jobs[rule] for rule in JOBS_A_SEED} == {
            rule: seeds * number for rule, number in JOBS_A_SEED.items()
        }, done.stderr
        calls.append(pstats.Stats(str(file)).total_calls)
    first, second = calls[1] - calls[0], calls[2] - calls[1]
    assert 0 < second < 1.05 * first
    assert second < CALLS_A_JOB * 2 * sum(JOBS_A_SEED.values())
