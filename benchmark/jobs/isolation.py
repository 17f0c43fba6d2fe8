"""Runs a method's work in a process of its own, so that a crash becomes a status.

Errors that Python can catch are caught where they happen. A process that is killed, crashes or
takes too long is seen from outside.
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

# Exit statuses of a process that ended with a UserError, with any other error (EX_SOFTWARE of
# sysexits.h), and by a signal (plus its number, as shells report it).
USER_ERROR = 1
RAISED = 70
KILLED = 128


@dataclass(frozen=True)
class Failure:
    """Why a process did not do its work: a status of `results.schema`, and a reason."""

    status: str
    reason: str


def run(work: Callable[[], int | None], minutes: float | None = None) -> Failure | None:
    """Call `work` in a forked process. Returns None if it did its work, else how it failed.

    work: returns None, or an exit status as that of its process (0: done). minutes: the time limit,
    after which the process and its children are killed; None for no limit. A UserError in the
    process is printed there and ends this process too (SystemExit 1).
    """
    kills = _out_of_memory_kills()
    # The fork comes before torch is imported, because torch's threads do not survive a fork.
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_call, args=(work, sender))
    old_handler = signal.signal(signal.SIGTERM, lambda *_: sys.exit(KILLED + signal.SIGTERM))
    process.start()
    try:
        process.join(None if minutes is None else 60 * minutes)
        if process.is_alive():
            return Failure(schema.TIMED_OUT, f"not done after {minutes:g} minutes")
    finally:
        _kill(process)
        signal.signal(signal.SIGTERM, old_handler)
    status = process.exitcode
    if status == USER_ERROR:
        sys.exit(USER_ERROR)
    if status == RAISED and receiver.poll():
        return Failure(schema.FAILED, receiver.recv())
    return None if status == 0 else _failure(status, _out_of_memory_kills() > kills)


def _call(work: Callable[[], int | None], reason: Connection) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    faulthandler.enable(2)  # after a crash the log has its traceback
    if "torch" in sys.modules:  # its threads did not survive the fork: torch would wait for ever
        sys.modules["torch"].set_num_threads(1)
    try:
        status = work() or 0
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        status = USER_ERROR
    except BaseException as error:  # SystemExit too: the work is not done
        traceback.print_exc()
        reason.send(" ".join(f"{type(error).__name__}: {error}".split())[:300])
        status = RAISED
    sys.exit(status)


def _failure(status: int, memory_ran_out: bool) -> Failure:
    """The failure that an exit status stands for."""
    number = -status if status < 0 else status - KILLED
    if number <= 0:
        return Failure(schema.FAILED, f"its process ended with exit status {status}")
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    if number == signal.SIGKILL and memory_ran_out:
        return Failure(schema.OUT_OF_MEMORY, "its process was killed when memory ran out")
    return Failure(schema.FAILED, f"its process was ended by {name}")


def _out_of_memory_kills() -> int:
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
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    process.kill()
    process.join()
