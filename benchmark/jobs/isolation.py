"""Runs a method's work in a process of its own, whose death or lateness is a status, not an end.

Errors that Python can catch are caught where they happen. What it cannot, a process that is killed
or crashes, or takes too long, is seen from outside.
"""

import contextlib
import faulthandler
import multiprocessing
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import psutil

from benchmark.core.errors import UserError
from benchmark.results import schema

USER_ERROR = 1  # exit status of a process that ended with a UserError
RAISED = 70  # and with any other error; as sysexits.h's "internal software error"
KILLED = 128  # plus a signal's number: how a shell tells that it ended a process


@dataclass(frozen=True)
class Failure:
    """How a process ended that did not do its work: a status of `results.schema`, and why."""

    status: str
    reason: str


def run(work: Callable[[], int | None], minutes: float | None = None) -> Failure | None:
    """Call `work` in a forked process; None if it returned (None or 0), else how it failed.

    minutes: after so long the process and its children are killed. A UserError in it is printed
    there and ends this process too, with exit status 1. An exit status that `work` returns counts
    as its process's own.
    """
    kills = _out_of_memory_kills()
    # Forked before torch is imported: its threads would not survive, and its memory stays unused.
    context = multiprocessing.get_context("fork")
    received, sent = context.Pipe(duplex=False)
    process = context.Process(target=_call, args=(work, sent))
    earlier = signal.signal(signal.SIGTERM, lambda *_: sys.exit(KILLED + signal.SIGTERM))
    process.start()
    try:
        process.join(None if minutes is None else 60 * minutes)
        if process.is_alive():
            return Failure(schema.TIMED_OUT, f"not done after {minutes:g} minutes")
    finally:
        _kill(process)
        signal.signal(signal.SIGTERM, earlier)
    status = process.exitcode
    if status == USER_ERROR:
        sys.exit(USER_ERROR)
    if status == RAISED and received.poll():
        return Failure(schema.FAILED, received.recv())
    return None if status == 0 else _failure(status, _out_of_memory_kills() > kills)


def _call(work: Callable[[], int | None], raised: Connection) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    faulthandler.enable(2)  # a crash leaves in the log where it was
    if "torch" in sys.modules:  # its threads did not survive the fork, and would be waited for
        sys.modules["torch"].set_num_threads(1)
    try:
        status = work() or 0
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        status = USER_ERROR
    except BaseException as error:  # SystemExit too: who raises it has not done the work
        traceback.print_exc()
        raised.send(" ".join(f"{type(error).__name__}: {error}".split())[:300])
        status = RAISED
    sys.exit(status)


def _failure(status: int, memory_ran_out: bool) -> Failure:
    number = -status if status < 0 else status - KILLED
    if number <= 0:
        return Failure(schema.FAILED, f"its process ended with exit status {status}")
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    if number == signal.SIGKILL and memory_ran_out:
        return Failure(schema.OUT_OF_MEMORY, "its process was killed when memory ran out")
    return Failure(schema.FAILED, f"its process was ended by {name}")


def _out_of_memory_kills() -> int:
    """How many processes Linux has killed for want of memory, in any control group; else 0."""
    try:
        counters = Path("/proc/vmstat").read_text().split()
        return int(counters[counters.index("oom_kill") + 1])
    except (OSError, ValueError):
        return 0


def _kill(process: multiprocessing.Process) -> None:
    """Kill a process, unless it has ended, and all below it: loaders, those of several GPUs."""
    if not process.is_alive():
        return
    for child in psutil.Process(process.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    process.kill()
    process.join()
