"""A process that is killed, crashes or takes too long is a failure with a reason."""

import atexit
import faulthandler
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import cv2
import numpy as np
import psutil
import pytest

from benchmark.core.atomic import write_text
from benchmark.core.errors import UserError
from benchmark.core.paths import ROOT
from benchmark.jobs import isolation
from benchmark.jobs.isolation import Failure
from tests.forks import forked


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
        (lambda: os._exit(3), "its process ended with exit status 3, but no result"),
        (lambda: os._exit(0), "its process ended with exit status 0, but no result"),
        (lambda: os._exit(1), "its process ended with exit status 1, but no result"),
        (lambda: sys.exit(0), "SystemExit: 0"),
        (
            lambda: (os.closerange(3, 4096), time.sleep(60)),
            "it closed the connection of its process to the suite",
        ),
        (fails, "ValueError: two lines"),
    ],
)
def test_how_a_process_ended(work, reason, monkeypatch):
    monkeypatch.setattr(isolation, "GRACE_SECONDS", 0.2)
    assert isolation.run(work) == Failure("failed", reason)


@pytest.mark.parametrize(
    "deed",
    [
        lambda: (os.close(1), os.close(2)),
        lambda: (sys.stdout.close(), sys.stderr.close()),
        lambda: setattr(sys, "stdout", None),
        lambda: os.chdir("/"),
        lambda: atexit.register(os._exit, 3),
        lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
        lambda: os.fork() or time.sleep(60),  # the pipe stays open in the process that is left
        lambda: subprocess.Popen(["sleep", "60"]),
        lambda: Thread(target=time.sleep, args=(60,)).start(),
    ],
)
def test_what_a_method_does_to_its_process_changes_no_result(deed, monkeypatch):
    monkeypatch.setattr(isolation, "GRACE_SECONDS", 0.2)
    before = set(psutil.Process().children(recursive=True))
    assert isolation.run(lambda: [deed(), {"a": 1}][1]) == {"a": 1}
    assert set(psutil.Process().children(recursive=True)) <= before
    assert Path.cwd() == ROOT


def test_a_process_that_is_left_does_not_hide_an_end_without_result():
    failure = isolation.run(lambda: time.sleep(3) if os.fork() == 0 else os._exit(0))
    assert failure.reason == "its process ended with exit status 0, but no result"


def test_a_crash_leaves_where_it_was(capfd):
    isolation.run(lambda: os.kill(os.getpid(), signal.SIGSEGV))
    assert "Fatal Python error: Segmentation fault" in capfd.readouterr().err


def test_work_that_is_done(tmp_path):
    assert isolation.run(lambda: (tmp_path / "done").touch()) is None
    assert (tmp_path / "done").exists()


def test_a_process_that_linux_kills_when_memory_runs_out(monkeypatch):
    counts = iter([7, 8])
    monkeypatch.setattr(isolation, "out_of_memory_kills", lambda: next(counts))
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


def test_a_user_error_is_the_callers_too():
    with pytest.raises(UserError, match="correct this"):
        isolation.run(raises_user_error)


def test_the_exit_status_of_another_process_is_a_failure():
    assert isolation.failure(-signal.SIGKILL).reason == "its process was ended by SIGKILL"
    assert isolation.failure(128 + signal.SIGKILL).reason == "its process was ended by SIGKILL"


def test_ending_the_caller_ends_the_work(tmp_path):
    def works_for_a_minute():
        write_text(tmp_path / "pid", str(os.getpid()))
        time.sleep(60)

    caller = forked(lambda: isolation.run(works_for_a_minute))
    while not (tmp_path / "pid").exists():
        assert caller.status() != psutil.STATUS_ZOMBIE
        time.sleep(0.01)
    caller.terminate()
    assert caller.wait(20) == 128 + signal.SIGTERM
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


def test_threads_of_opencv_do_not_keep_a_process_waiting():
    """A process that has used OpenCV's threads forks one that changes their number."""
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        alone = psutil.Process().num_threads()
        cv2.setNumThreads(2)
        image = np.zeros((512, 512, 3), np.uint8)
        cv2.bilateralFilter(image[..., 0], 9, 50, 50)  # starts a thread; on some processors none
        with isolation._without_opencv_threads() as count:
            assert (count, psutil.Process().num_threads()) == (2, alone)

        def work():
            count = cv2.getNumThreads()
            cv2.setNumThreads(1)
            return count, cv2.resize(image, (700, 700), interpolation=cv2.INTER_AREA).shape

        assert isolation.run(work, minutes=0.2) == (2, (700, 700, 3))
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(before)
