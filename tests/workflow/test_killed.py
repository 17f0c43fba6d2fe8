"""After a kill or on a full disk files are complete or absent, and the same command goes on.

A few points of the campaigns `tests.campaigns.killed` and `killed_workflow`.
"""

import os
import resource
import socket

import pytest
import torch

from benchmark.core.atomic import atomic_folder, atomic_path, write_text
from benchmark.core.errors import NotWritten
from benchmark.core.paths import ROOT
from benchmark.jobs import workflow_lock
from tests.campaigns.killed import FILES, STAGES, Campaign, Point
from tests.clone import SMOKE, snakemake
from tests.forks import forked

# Without the figures: a report does not need them, and they are the slowest.
VERBS = [stage for stage in STAGES if stage != "figures"]


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    if not (ROOT / "data" / "manifest.json").exists():
        pytest.skip("the data are not here: run 'dvc pull'")
    campaign = Campaign(tmp_path_factory.mktemp("killed"), VERBS)
    yield campaign
    campaign.close()


@pytest.mark.parametrize("stage", ["train", "report"])
def test_a_kill_leaves_whole_files_and_the_next_run_the_same_results(campaign, stage):
    point = Point(stage, finished=False, operation=campaign.operations[stage] // 2)
    campaign.try_point(point)
    assert (point.killed, point.outcome) == (True, "ok")


def test_a_full_disk_is_an_error_that_names_the_file_and_loses_nothing(campaign):
    point = Point("restore unet", finished=True, obstacle=FILES, room=2000)
    campaign.try_obstacle(point)
    assert (point.killed, point.outcome) == (True, "ok")
    assert campaign.ask("train", limit=2000)["code"] == 1
    last = campaign.log.read_text().splitlines()[-1]
    assert last.startswith("error: ") and "cannot be written (File too large)" in last


def test_the_partial_file_of_a_running_process_is_kept(tmp_path):
    with atomic_path(tmp_path / "a") as temporary:
        assert forked(lambda: write_text(tmp_path / "b", "")).wait() == 0
        temporary.write_text("slow")
    assert (tmp_path / "a").read_text() == "slow"


def test_an_error_keeps_the_old_folder_and_success_replaces_all_of_it(tmp_path):
    with atomic_folder(tmp_path / "a") as new:
        (new / "old").touch()
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "a") as new:
        (new / "half").touch()
        raise RuntimeError
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["old"]
    with atomic_folder(tmp_path / "a") as new:
        (new / "new").touch()
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["new"]
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("old")
    with pytest.raises(NotWritten, match=r"file/x\.csv cannot be written \(File exists\)"):
        write_text(tmp_path / "file" / "x.csv", "")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(NotWritten, match=r"file cannot be written \(File too large\)"):
            write_text(tmp_path / "file", "x" * 2000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / "file").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory in which a workflow was killed."""
    monkeypatch.setattr(workflow_lock, "open_files", {})
    locks = tmp_path / ".snakemake" / "locks"
    locks.mkdir(parents=True)
    (locks / "0.output.lock").write_text("results/x")
    yield tmp_path / ".snakemake"
    for handle in workflow_lock.open_files.values():
        os.close(handle)


def test_the_locks_of_a_dead_workflow_are_cleared(folder):
    assert "was killed" in workflow_lock.remove_stale_locks(folder)
    assert not (folder / "locks").exists()
    assert workflow_lock.remove_stale_locks(folder) == ""


def test_the_locks_of_a_living_job_are_kept_and_it_is_named(folder):
    here, there = socket.socketpair()

    def work():
        workflow_lock.acquire(folder)
        there.send(b"+")
        there.recv(1)

    with here, there:
        job = forked(work)
        here.recv(1)
        told = workflow_lock.remove_stale_locks(folder)
        assert "is at work here" in told
        if os.path.exists("/proc/locks"):
            assert f"process {job.pid}" in told
        assert (folder / "locks" / "0.output.lock").exists()
        here.send(b"+")
        assert job.wait(20) == 0
    assert "was killed" in workflow_lock.remove_stale_locks(folder)


def test_a_living_run_is_not_unlocked(smoke_run):
    """Snakemake itself would remove the locks of the run that is at work."""
    lock = smoke_run / ".snakemake" / "locks" / "0.output.lock"
    try:
        workflow_lock.acquire(smoke_run / ".snakemake")
        lock.parent.mkdir(exist_ok=True)
        lock.write_text("results/smoke/scores.csv\n")
        done = snakemake(smoke_run, "--unlock", "--config", f"run={SMOKE}")
        assert done.returncode != 0
        assert "is at work here" in done.stderr
        assert lock.exists()
    finally:
        lock.unlink()
        os.close(workflow_lock.open_files.pop(smoke_run / ".snakemake"))


def test_the_locks_stay_while_jobs_wait_in_slurms_queue(folder, monkeypatch):
    """`squeue` here is a program that prints what SLURM's would: whose job, and from where."""
    place = folder.parent
    lines = [
        f"12|rule_train_wildcards_unet_0|{place}",
        f"13|(null)|{place}",  # not Snakemake's
        f"14|rule_train|{place}/elsewhere",
        f"15_3|rule_restore|{place}",
    ]
    (place / "bin").mkdir()
    squeue = place / "bin" / "squeue"
    squeue.write_text("#!/bin/sh\ncat <<END\n" + "\n".join(lines) + "\nEND\n")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{place / 'bin'}:{os.environ['PATH']}")
    told = workflow_lock.remove_stale_locks(folder)
    assert told.startswith("A workflow that was killed here left jobs in SLURM's queue")
    assert told.endswith("scancel 12 15_3")
    assert (folder / "locks" / "0.output.lock").exists()
    squeue.write_text("#!/bin/sh\necho 'slurm_load_jobs error' >&2\nexit 1\n")
    (folder / "slurm_logs").mkdir()
    assert "does not answer" in workflow_lock.remove_stale_locks(folder)
    assert (folder / "locks" / "0.output.lock").exists()
    # SLURM's programs are here, but no workflow of this folder ever used them.
    (folder / "slurm_logs").rmdir()
    assert "goes on where it stopped" in workflow_lock.remove_stale_locks(folder)


def test_a_full_disk_is_named_when_torch_writes(tmp_path):
    def save():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        with atomic_path(tmp_path / "checkpoint.pt") as temporary, temporary.open("wb") as file:
            torch.save({"a": torch.zeros(9000)}, file)

    def work():
        with pytest.raises(NotWritten, match=r"cannot be written \(File too large\)"):
            save()

    assert forked(work).wait() == 0
