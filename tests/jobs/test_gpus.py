"""Each job has its own GPUs: with devices that are only names, and real processes."""

import os
import time

import pytest

from benchmark.cli.workflow import _Job
from benchmark.core.errors import UserError
from benchmark.jobs import gpus
from benchmark.jobs.resolve import Resolved
from tests.forks import forked

NAMES = ["0", "1", "2", "3"]


@pytest.fixture(autouse=True)
def _no_gpus(monkeypatch):
    monkeypatch.delenv(gpus.VISIBLE, raising=False)


def test_jobs_side_by_side_have_different_gpus(tmp_path):
    """Four jobs of one GPU, a job of two, and one more, on four devices; each notes what it has."""

    def job(number, count):
        with gpus.taken(count, NAMES, tmp_path / "locks", seconds=0.01) as own:
            assert os.environ[gpus.VISIBLE] == ",".join(own) and len(own) == count
            for name in own:  # a device that two jobs have at a time makes this fail
                (tmp_path / name).touch(exist_ok=False)
            time.sleep(0.05)
            for name in own:
                (tmp_path / name).unlink()
            (tmp_path / f"done-{number}").touch()

    jobs = [
        forked(lambda number=number, count=count: job(number, count))
        for number, count in enumerate([1, 1, 1, 1, 2, 1])
    ]
    assert [process.wait(timeout=30) for process in jobs] == [0] * 6
    assert len(list(tmp_path.glob("done-*"))) == 6


def test_a_killed_job_gives_its_gpu_back(tmp_path):
    def job():
        with gpus.taken(1, ["0"], tmp_path / "locks"):
            (tmp_path / "has-it").touch()
            time.sleep(60)

    process = forked(job)
    while not (tmp_path / "has-it").exists():
        time.sleep(0.01)
    process.kill()
    process.wait()
    with gpus.taken(1, ["0"], tmp_path / "locks") as own:
        assert own == ["0"]


def test_only_visible_gpus_are_given_and_the_variable_is_put_back(tmp_path, monkeypatch):
    assert gpus.visible(2) == ["0", "1"]
    monkeypatch.setenv(gpus.VISIBLE, "5, GPU-8f2")
    assert gpus.visible(8) == ["5", "GPU-8f2"]
    with gpus.taken(2, gpus.visible(8), tmp_path) as own:
        assert own == ["5", "GPU-8f2"] and os.environ[gpus.VISIBLE] == "5,GPU-8f2"
    assert os.environ[gpus.VISIBLE] == "5, GPU-8f2"
    with pytest.raises(UserError, match=r"3 processes.* 2 GPUs"), gpus.taken(3, own, tmp_path):
        pass


def test_no_limit_is_silent():
    assert gpus.check_limit(None, 4, 8) is None
    assert gpus.check_limit(8, 4, 8) is None
    assert "has 8 GPUs, and the workflow uses 1" in gpus.check_limit(1, 1, 8)
    with pytest.raises(UserError, match=r"4 processes.*may use 1\. Write 'gpu: 4'"):
        gpus.check_limit(1, 4, 8)


@pytest.mark.parametrize(
    ("resolved", "expected"),
    [
        (Resolved(device="cuda", gpus=2), "0"),
        (Resolved(device="cuda", gpus=2, processes=2), "0,1"),
        (Resolved(device="cpu", threads=2), None),
        (Resolved(), None),  # a cluster gives a job its GPUs
    ],
)
def test_a_job_takes_as_many_as_it_has_processes(resolved, expected, tmp_path, monkeypatch):
    monkeypatch.setattr(gpus.tempfile, "gettempdir", lambda: str(tmp_path))
    job = object.__new__(_Job)
    job.resolved = resolved
    with job.on_own_gpus(resolved.processes):
        assert os.environ.get(gpus.VISIBLE) == expected
    assert gpus.VISIBLE not in os.environ
