"""On a SLURM of one node, the workflow gives the same scores and keeps to the memory limits."""

import os
import re
import shutil
import subprocess

import pandas as pd
import pytest
import yaml

from benchmark.core.paths import ROOT
from tests.clone import SMOKE, snakemake

NODE = ROOT / "tests" / "slurm" / "one-node"
# Training, restoring and scoring of one method are one SLURM job each.
TARGET = "results/smoke/scores/unet/seed0/photos.csv"


@pytest.fixture
def slurm(machine):
    """A SLURM of one node; if it cannot be started, the test is skipped with the reason."""
    pytest.importorskip(
        "snakemake_executor_plugin_slurm", reason="Snakemake's plug-in for SLURM is not installed"
    )
    for program in ("slurmctld", "slurmd", "munged"):
        if not shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin"):
            pytest.skip(f"{program} is not installed")
    if os.geteuid() != 0:
        pytest.skip("only root can start SLURM's daemons")
    up = subprocess.run([NODE, "up"], capture_output=True, text=True)
    if up.returncode:
        pytest.skip(up.stderr.strip())
    yield
    subprocess.run([NODE, "down"], check=True)


def on_slurm(clone, target, config, *options):
    return snakemake(
        clone, target, "--workflow-profile", "workflow/profiles/slurm", "--cores", "1",
        # Without accounting, 'sacct' cannot tell the state of a job.
        "--slurm-no-account", "--slurm-status-command", "squeue",
        "--slurm-init-seconds-before-status-checks", "1",
        "--config", config, *options,
    )  # fmt: skip


def test_slurm_gives_the_same_scores(slurm, smoke_run, repository):
    shutil.rmtree(repository / "results/smoke/train/unet")
    for part in ("restored", "scores"):
        shutil.rmtree(repository / f"results/smoke/{part}/unet")
    done = on_slurm(repository, TARGET, f"run={SMOKE}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.count("submitted with SLURM jobid") == 3
    assert (repository / TARGET).read_bytes() == (smoke_run / TARGET).read_bytes()


METHOD = """\
from benchmark.spec.method import Card, Method, Settings


class Variant(Settings):
    megabytes: int


class Takes(Method):
    card = Card(title="t", citation="c", licence="l", supervision="none", description="d")
    Variant = Variant

    def restore(self, degraded, variant, generators):
        taken = b"1" * (variant.megabytes * 2**20)
        return degraded
"""


def test_too_much_memory_is_a_status_after_three_attempts(slurm, repository):
    shown = subprocess.run(["scontrol", "show", "config"], capture_output=True, text=True).stdout
    if "task/cgroup" not in shown:
        pytest.skip("this SLURM does not limit memory: it needs control groups of version 1")
    (repository / "methods/takes.py").write_text(METHOD)
    sizes = {"less": 1, "more": 1500, "most": 9000}
    config = {
        "name": "memory", "train_on": "photos", "discover": False, "protocols": ["rgb"],
        "datasets": {"photos": {"split": "val", "weathers": ["rain"], "limit": 1}},
        "methods": {"takes": {"variants": {k: {"megabytes": v} for k, v in sizes.items()}}},
    }  # fmt: skip
    (repository / "config/memory.yaml").write_text(yaml.safe_dump(config))
    done = on_slurm(
        repository, "results/memory/cost.csv", "run=config/memory.yaml",
        "--set-resources", "restore:mem_mb=1000 * min(attempt, 3)",
        "score:mem_mb=1000 * min(attempt, 3)",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    cost = pd.read_csv(repository / "results/memory/cost.csv").set_index("variant")
    assert cost.status.to_dict() == {"less": "ok", "more": "ok", "most": "out-of-memory"}
    log = "results/memory/logs/restore/takes/most/seed0/photos.log"
    assert re.fullmatch(
        rf"its process was killed when memory ran out, in attempt \d, SLURM job \d+ \(log: {log}\)",
        cost.reason["most"],
    )
    assert "out-of-memory: its process was killed" in (repository / log).read_text()
