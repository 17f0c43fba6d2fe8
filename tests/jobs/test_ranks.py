"""Launched trainings: the first failure of any process counts; none outlives its launcher."""

import signal
import subprocess
import sys
import types
from dataclasses import asdict

import psutil
import pytest

from benchmark.core.errors import UserError
from benchmark.core.json_io import read_json, write_json
from benchmark.jobs import launch, ranks
from benchmark.jobs.isolation import Failure

OK = {"status": "ok"}
OUT_OF_MEMORY = Failure("out-of-memory", "no room")
BROKEN = Failure("failed", "connection closed by peer")


@pytest.fixture
def reported(tmp_path, monkeypatch):
    """A function that reports a result as a rank; returns the exit status, or None."""
    monkeypatch.setenv(ranks.RESULT, str(tmp_path / "result.json"))

    def leave(status):
        raise SystemExit(status)

    monkeypatch.setattr(ranks.os, "_exit", leave)

    def report(rank, result):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setattr(ranks.os, "getpid", lambda: 1000 + rank)
        try:
            ranks.report(result)
        except SystemExit as end:
            return end.code
        return None

    report.file = tmp_path / "result.json"
    return report


def test_the_first_failure_of_any_process_is_the_result(reported):
    assert reported(1, OUT_OF_MEMORY) == ranks.FAILED
    assert reported(0, BROKEN) == ranks.FAILED
    assert read_json(reported.file) == asdict(OUT_OF_MEMORY)


def test_only_the_first_process_reports_success(reported):
    assert reported(1, OK) is None
    assert not reported.file.exists()
    assert reported(0, OK) is None
    assert read_json(reported.file) == OK


@pytest.mark.parametrize(
    ("statuses", "result", "expected"),
    [
        ((), OK, OK),
        ((70, -15), OUT_OF_MEMORY, OUT_OF_MEMORY),
        ((-9,), None, Failure("failed", "its process was ended by SIGKILL")),
        ((1, 70), BROKEN, UserError),
    ],
)
def test_a_launch_gives_what_its_processes_reported(monkeypatch, statuses, result, expected):
    def main(arguments):
        assert arguments == ["--nproc_per_node=2", "-m", "benchmark", "train"]
        if result:
            values = asdict(result) if isinstance(result, Failure) else result
            write_json(launch.os.environ[ranks.RESULT], values)
        if statuses:
            failures = {
                rank: types.SimpleNamespace(exitcode=status, timestamp=rank, error_file="")
                for rank, status in enumerate(statuses)
            }
            error = launch.ChildFailedError.__new__(launch.ChildFailedError)
            error.failures = failures
            raise error

    monkeypatch.setenv(ranks.RESULT, "")
    monkeypatch.setenv(ranks.LAUNCHER, "")
    monkeypatch.setattr(launch.run, "main", main)
    if expected is UserError:
        with pytest.raises(UserError, match="above"):
            launch.launch(2, ["train"])
    else:
        assert launch.launch(2, ["train"]) == expected


def test_a_process_ends_when_its_launcher_is_killed():
    rank = (
        "import time; from benchmark.jobs import ranks; ranks.end_with_launcher(0.01); "
        "print(1, flush=True); time.sleep(60)"
    )
    code = (
        "import os, subprocess, sys\n"
        f"os.environ['{ranks.LAUNCHER}'] = str(os.getpid())\n"
        f"rank = subprocess.Popen([sys.executable, '-c', {rank!r}])\n"
        "print(rank.pid, flush=True); rank.wait()\n"
    )
    launcher = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    lines = {launcher.stdout.readline().strip() for _ in range(2)}
    (process,) = (psutil.Process(int(line)) for line in lines - {"1"})
    launcher.send_signal(signal.SIGKILL)
    launcher.wait()
    process.wait(timeout=30)
    launcher.stdout.close()
