"""The workflow on a SLURM of one node gives what it gives on this machine."""

import os
import shutil
import subprocess

import pytest

from benchmark.registry import ROOT
from tests.clone import SMOKE, snakemake

NODE = ROOT / "tests" / "slurm" / "one-node"
# One method is trained, restored and scored: two jobs of SLURM, the second a group of two.
TARGET = "results/smoke/scores/unet/default/seed0/photos.csv"


@pytest.fixture
def slurm():
    """A SLURM of one node; the test is skipped, saying so, where it cannot be started."""
    pytest.importorskip("snakemake_executor_plugin_slurm")
    for program in ("slurmctld", "slurmd", "munged"):
        if not shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin"):
            pytest.skip(f"{program} is not installed")
    if os.geteuid() != 0:
        pytest.skip("SLURM's daemons are started by root")
    up = subprocess.run([NODE, "up"], capture_output=True, text=True)
    if up.returncode:
        pytest.skip(up.stderr.strip())
    yield
    subprocess.run([NODE, "down"], check=True)


def test_slurm_gives_the_same_scores(repository, slurm, tmp_path):
    clone = shutil.copytree(repository, tmp_path / "clone", symlinks=True)
    shutil.rmtree(clone / "results/smoke/train/unet")
    for part in ("restored", "scores"):
        shutil.rmtree(clone / f"results/smoke/{part}/unet")
    done = snakemake(
        clone, TARGET, "--workflow-profile", "workflow/profiles/slurm", "--cores", "1",
        # There is no accounting, whose database 'sacct' would ask for a job's state.
        "--slurm-no-account", "--slurm-status-command", "squeue",
        "--slurm-init-seconds-before-status-checks", "1",
        "--config", f"run={SMOKE}",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.count("submitted with SLURM jobid") == 2
    assert (clone / TARGET).read_bytes() == (repository / TARGET).read_bytes()
