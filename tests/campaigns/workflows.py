"""Whole workflows that take too long for the tests of every change.

    python -m pytest -n 0 tests/campaigns/workflows.py

The tests check the same promises at a lower level or with shorter workflows:
`workflow/test_workflow`, `workflow/test_kubernetes`, `jobs/test_identity`, `jobs/test_bad_methods`,
`training/test_loop`.
"""

import shutil

import pandas as pd
import pytest
import yaml

from benchmark.jobs import resolve
from benchmark.results.layout import RunFolder
from tests.campaigns.planning import JOBS_A_SEED, calls_of_a_plan
from tests.clone import SMOKE, edited, planned, replaced, snakemake
from tests.jobs.test_bad_methods import NEEDS_MEMORY
from tests.training import test_loop
from tests.workflow import test_kubernetes
from tests.workflow.test_kubernetes import PROFILE, containers

jobs, photos = test_kubernetes.jobs, test_loop.photos
# Each with the jobs that it re-runs: (file, old, new).
EDITS = [
    # What a method computes, while training or while restoring.
    ([("methods/regression.py", "2 * clean - 1)", "2.0 * clean - 1)")], {"train": 1, "restore": 1}),
    ([("methods/regression.py", "(x + self.network(x) +", "(x + 1.0 * self.network(x) +")],
     {"restore": 1}),
    ([("benchmark/spec/build.py", "torch.manual_seed(", "torch.random.manual_seed(")],
     {"train": 2, "restore": 6}),
    # A setting that can change the weights.
    ([(SMOKE, "warmup: 1", "warmup: 2")], {"train": 2, "restore": 3}),
    # A network or a sampler: only what the entry's settings choose.
    ([("methods/networks/unet.py", "super().__init__()", "super().__init__()\n        pass")],
     {"train": 2, "restore": 3}),
    ([("methods/diffusion/samplers/ddpm.py", "return ", "return 1.0 * ")], {"restore": 1}),
    # A variant less: its method is scored again.
    ([(SMOKE, "      ddpm-2: {sampler: ddpm, steps: 2}\n", "")], {}),
    # What no job computes.
    ([("config/datasets/photos.yaml", "title:", "# edited\ntitle:")], {}),
]  # fmt: skip


@pytest.mark.parametrize(("edits", "expected"), EDITS)
def test_an_edit_re_runs_what_computes_something_else(repository, edits, expected):
    """What is restored is scored again, and the tables are collected again."""
    with edited(repository, *edits):
        found = planned(repository)
    assert {rule: found[rule] for rule in ("train", "restore") if rule in found} == expected
    assert planned(repository) == {}


def test_a_replaced_photograph_is_noticed(repository):
    """A training photograph: all trainings, and what follows. A test image: no training."""
    with replaced(next((repository / "data/photos/train").iterdir())):
        jobs = planned(repository)
        assert (jobs["train"], jobs["restore"], jobs["score"]) == (2, 3, 2)
    assert planned(repository) == {}
    with replaced(repository / pd.read_csv(repository / "results/smoke/images.csv").input[0]):
        jobs = planned(repository)
        assert (jobs["restore"], jobs["score"]) == (6, 5)
        assert "train" not in jobs


SOURCE = """\
import os, resource, signal, time

import torch

from benchmark.spec.method import Card, Method


class Misbehaves(Method):
    card = Card(title="t", citation="c", licence="l", supervision="none", description="d")

    def restore(self, degraded, variant, generators):
        {restore}
        return degraded
"""
# What a method does, its status, and a part of the reason.
BEHAVIOUR = {
    "kills_itself": ("os.kill(os.getpid(), signal.SIGKILL)", "failed", "ended by SIGKILL"),
    "sleeps": ("time.sleep(600)", "timed-out", "not done after 0.01 minutes"),
    "needs_memory": (NEEDS_MEMORY, "out-of-memory", "allocate memory"),
}


def test_a_method_that_misbehaves_stops_no_other(repository):
    for name, (body, _, _) in BEHAVIOUR.items():
        (repository / "methods" / f"{name}.py").write_text(SOURCE.format(restore=body))
    entries = {**dict.fromkeys(("identity", *BEHAVIOUR)), "sleeps": {"time_limit": 0.01}}
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
    assert cost.status["identity"] == "ok"
    for name, (_, status, reason) in BEHAVIOUR.items():
        assert cost.status[name] == status
        log = f"results/wild/logs/restore/{name}/default/seed0/photos.log"
        assert reason in cost.reason[name]
        assert cost.reason[name].endswith(f"(log: {log})")
        assert (repository / log).exists()


def test_a_training_on_kubernetes(smoke_run, repository, jobs, monkeypatch):
    """Training, restoring and scoring of one method are one job each; scoring has too little memory
    in its first attempt."""
    target = "results/smoke/scores/unet/seed0/photos.csv"
    monkeypatch.setenv("KUBECTL_NEEDS", "5000")
    for part in ("train", "restored", "scores"):
        shutil.rmtree(repository / f"results/smoke/{part}/unet")
    done = snakemake(
        repository, target, "--workflow-profile", PROFILE, "--latency-wait", "5",
        "--seconds-between-status-checks", "1", "--config", f"run={SMOKE}",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert (repository / target).read_bytes() == (smoke_run / target).read_bytes()
    limits = [container["resources"]["limits"] for container in containers(jobs)]
    assert [each["memory"] for each in limits] == ["16000M", "8000M", "4000M", "8000M"]
    # The smoke run was started on a machine without a GPU, so its trainings ask for none.
    device = resolve.recorded(RunFolder(smoke_run / "results/smoke")).device
    gpus = [each.get("nvidia.com/gpu") for each in limits]
    assert gpus == ["1" if device == "cuda" else None, "1", None, None]


CALLS_A_JOB = 24_000  # 21,330 with Snakemake 9.27; 26,890 if sources are looked up for each job


def test_planning_takes_few_calls_for_a_job_however_many_there_are(repository):
    """Sources are found once, and nothing is looked up in all jobs for each job. Calls are counted,
    because a duration depends on the machine."""
    shutil.rmtree(repository / "data")  # else the first plan alone reads images, the later ones not
    calls = [calls_of_a_plan(repository, seeds) for seeds in (1, 3, 5)]
    first, second = calls[1] - calls[0], calls[2] - calls[1]
    assert 0 < second < 1.05 * first
    assert first < CALLS_A_JOB * 2 * sum(JOBS_A_SEED.values())
    assert sum(JOBS_A_SEED.values()) == 31


@pytest.mark.skipif(
    not shutil.which("g++"), reason="g++ is not installed: torch needs it to compile for a CPU"
)
def test_training_with_compiled_code_ends_as_without(photos, tmp_path):
    test_loop.compiled_ends_as_eager(photos, tmp_path)
