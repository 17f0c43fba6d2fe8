"""A process that is killed, crashes or takes too long is a failure with a reason."""

import faulthandler
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from benchmark.core.errors import UserError
from benchmark.core.paths import ROOT
from benchmark.jobs import isolation
from benchmark.jobs.isolation import Failure


def fails():
    raise ValueError("two\nlines")


def crashes():
    faulthandler.disable()  # its report would look like one of pytest
    os.kill(os.getpid(), signal.SIGSEGV)


def raises_user_error():
    raise UserError("correct this")


@pytest.mark.parametrize(
    ("work", "reason"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "its process was ended by SIGKILL"),
        (crashes, "its process was ended by SIGSEGV"),
        (lambda: 128 + signal.SIGKILL, "its process was ended by SIGKILL"),
        (lambda: os._exit(3), "its process ended with exit status 3"),
        (lambda: sys.exit(0), "SystemExit: 0"),
        (fails, "ValueError: two lines"),
    ],
)
def test_how_a_process_ended(work, reason):
    assert isolation.run(work) == Failure("failed", reason)


def test_a_crash_leaves_where_it_was(capfd):
    isolation.run(lambda: os.kill(os.getpid(), signal.SIGSEGV))
    assert "Fatal Python error: Segmentation fault" in capfd.readouterr().err


def test_work_that_is_done(tmp_path):
    assert isolation.run(lambda: (tmp_path / "done").touch()) is None
    assert (tmp_path / "done").exists()


def test_a_process_that_linux_kills_when_memory_runs_out(monkeypatch):
    counts = iter([7, 8])
    monkeypatch.setattr(isolation, "_out_of_memory_kills", lambda: next(counts))
    failure = isolation.run(lambda: os.kill(os.getpid(), signal.SIGKILL))
    assert failure == Failure("out-of-memory", "its process was killed when memory ran out")


def test_a_late_process_is_ended_with_its_children(tmp_path):
    def sleep():
        child = subprocess.Popen(["sleep", "60"])
        (tmp_path / "pid").write_text(str(child.pid))
        child.wait()

    start = time.monotonic()
    assert isolation.run(sleep, 0.02) == Failure("timed-out", "not done after 0.02 minutes")
    assert time.monotonic() - start < 20
    child = int((tmp_path / "pid").read_text())
    gone = not psutil.pid_exists(child) or psutil.Process(child).status() == "zombie"
    assert gone


def test_a_user_error_ends_the_caller_too_and_is_printed(capfd):
    with pytest.raises(SystemExit) as ended:
        isolation.run(raises_user_error)
    assert ended.value.code == 1
    assert capfd.readouterr().err == "error: correct this\n"


def test_ending_the_caller_ends_the_work(tmp_path):
    script = (
        "import os, time; from pathlib import Path; from benchmark.jobs import isolation\n"
        f"pid = Path({str(tmp_path / 'pid')!r})\n"
        "isolation.run(lambda: (pid.write_text(str(os.getpid())), time.sleep(60)))\n"
    )
    caller = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT)
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        time.sleep(0.05)
        assert caller.poll() is None
    caller.terminate()
    assert caller.wait(20) == 128 + signal.SIGTERM
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))
