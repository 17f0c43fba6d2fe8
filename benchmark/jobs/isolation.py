"""Runs a method's work in a process of its own, so that nothing it does can end the run.

The work's result comes back through a pipe, and the caller writes it to files: a method may change
its working folder, close its output, exit or crash. A process that ends without a result has
failed.
"""

import faulthandler
import math
import multiprocessing
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import psutil

from benchmark.core.errors import UserError, one_line
from benchmark.results import schema

KILLED = 128  # plus a signal's number: an exit status, as shells report it
DONE, USER_ERROR, RAISED = "done", "user error", "raised"  # what a process sends, with a value
GRACE_SECONDS = 10  # for a process that has sent its result to end


@dataclass(frozen=True)
class Failure:
    """Why a process did not do its work: a status of `results.schema`, and a reason."""

    status: str
    reason: str


def run(work: Callable[[], Any], minutes: float | None = None) -> Any:
    """Call `work` in a forked process; returns its result, or a Failure if there is none.

    work: its result must be picklable; a Failure counts as one. minutes: the time limit, after
    which the process and its children are killed; None for no limit. A UserError in the process is
    raised here, without its traceback.
    """
    kills = out_of_memory_kills()
    # The fork comes before torch is imported, because torch's threads do not survive a fork.
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    old_handler = signal.signal(signal.SIGTERM, lambda *_: sys.exit(KILLED + signal.SIGTERM))
    with _without_opencv_threads() as threads:
        process = context.Process(target=_call, args=(work, ours, theirs, threads))
        process.start()
    theirs.close()
    try:
        if not _wait(process, ours, None if minutes is None else 60 * minutes):
            return Failure(schema.TIMED_OUT, f"not done after {minutes:g} minutes")
        kind, value = _receive(ours)
        _end(process, ours)
        if kind is None and process.is_alive():
            return Failure(schema.FAILED, "it closed the connection of its process to the suite")
    finally:
        _kill(process)
        signal.signal(signal.SIGTERM, old_handler)
    if kind == USER_ERROR:
        raise UserError(value)
    if kind == RAISED:
        return Failure(schema.FAILED, value)
    return value if kind == DONE else failure(process.exitcode, out_of_memory_kills() > kills)


def failure(status: int, memory_ran_out: bool = False) -> Failure:
    """The failure that an exit status without a result stands for.

    memory_ran_out: whether Linux has killed a process because of that.
    """
    number = -status if status < 0 else status - KILLED
    if number <= 0:
        return Failure(schema.FAILED, f"its process ended with exit status {status}, but no result")
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    if number == signal.SIGKILL and memory_ran_out:
        return Failure(schema.OUT_OF_MEMORY, "its process was killed when memory ran out")
    return Failure(schema.FAILED, f"its process was ended by {name}")


@contextmanager
def _without_opencv_threads() -> Iterator[int | None]:
    """Stop OpenCV's threads around a fork, and yield their number; None if OpenCV is not imported.

    They do not survive a fork, and OpenCV would wait for ever when they are to end.
    """
    if (opencv := sys.modules.get("cv2")) is None:
        yield None
        return
    count = opencv.getNumThreads()
    opencv.setNumThreads(1)
    try:
        yield count
    finally:
        opencv.setNumThreads(count)


def _call(
    work: Callable[[], Any], ours: Connection, theirs: Connection, opencv_threads: int | None
) -> None:
    """Send what came of `work`; wait until the caller has noted which processes it left."""
    ours.close()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    faulthandler.enable(2)  # after a crash the log has its traceback
    if "torch" in sys.modules:  # its threads did not survive the fork: torch would wait for ever
        sys.modules["torch"].set_num_threads(1)
    if opencv_threads:
        sys.modules["cv2"].setNumThreads(opencv_threads)
    try:
        message = DONE, work()
    except UserError as error:
        message = USER_ERROR, str(error)
    except BaseException as error:  # SystemExit too: the work is not done
        with suppress(Exception):  # the method may have closed the standard streams
            traceback.print_exc()
        message = RAISED, one_line(error)[:300]
    with suppress(Exception):
        sys.stdout.flush()
    theirs.send(message)
    with suppress(EOFError):
        theirs.recv()


def _wait(process: multiprocessing.Process, ours: Connection, seconds: float | None) -> bool:
    """Wait until the process has sent its result or has ended. False after the given time.

    The end is looked for too: processes that a method has left may hold the pipe open.
    """
    end = math.inf if seconds is None else time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if wait([ours], min(left, 1)) or not process.is_alive():
            return True
    return False


def _receive(ours: Connection) -> tuple[str | None, Any]:
    """What the process has sent, or (None, None) if it has ended before."""
    try:
        return ours.recv() if ours.poll() else (None, None)
    except (EOFError, OSError):
        return None, None


def _end(process: multiprocessing.Process, ours: Connection) -> None:
    """Let the process end, and then end the processes that it has started and left."""
    children = []
    with suppress(psutil.NoSuchProcess):
        children = psutil.Process(process.pid).children(recursive=True)
    ours.close()
    end = time.monotonic() + GRACE_SECONDS
    # Not `join`: it waits for ever if the method has closed the files of its process.
    while process.is_alive() and time.monotonic() < end:
        time.sleep(0.005)
    _, left = psutil.wait_procs(children, timeout=1)
    for child in left:
        with suppress(psutil.NoSuchProcess):
            child.kill()


def out_of_memory_kills() -> int:
    """How many processes Linux has killed because memory ran out; 0 on other systems."""
    try:
        counters = Path("/proc/vmstat").read_text().split()
        return int(counters[counters.index("oom_kill") + 1])
    except (OSError, ValueError):
        return 0


def _kill(process: multiprocessing.Process) -> None:
    """Kill a running process and its children: data loaders, the processes of other GPUs."""
    if not process.is_alive():
        return
    for child in psutil.Process(process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            child.kill()
    process.kill()
    process.join()
