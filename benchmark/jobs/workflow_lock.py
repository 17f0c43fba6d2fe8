"""Who is at work in a folder: so that what a killed workflow locked is freed, and only that.

Snakemake locks the files that it makes by lists in `.snakemake/locks`, which a kill leaves behind.
Beside them lies a file that every workflow and every verb locks through the operating system for as
long as it lives. Nobody having it, and no job waiting in SLURM's queue, means that the lists are a
dead workflow's.
"""

import fcntl
import os
import shutil
from contextlib import suppress
from pathlib import Path

from benchmark.jobs import slurm

FOLDER = Path(".snakemake")
NAME = "at-work"
held: dict[Path, int] = {}  # kept open for as long as the process lives


def hold(folder: Path = FOLDER) -> None:
    """Tell others that this process is at work here; nothing where no workflow ever ran."""
    if folder.is_dir():
        with suppress(OSError):  # read-only, or a file system without locks
            fcntl.flock(_handle(folder), fcntl.LOCK_SH)


def clear_stale(folder: Path = FOLDER) -> str:
    """Remove the locks of a workflow that was killed, unless one or a job of it is still at work.

    For a workflow that starts; it then holds the folder. Returns what to tell the user, if any.
    """
    locks, told = folder / "locks", ""
    try:
        folder.mkdir(exist_ok=True)
        if locks.is_dir() and any(locks.iterdir()) and not (told := others(folder)):
            shutil.rmtree(locks)
            told = "The last workflow here was killed; this one goes on where it stopped."
    except OSError:  # read-only, or a file system without locks: Snakemake's own stay as they are
        return ""
    hold(folder)
    return told


def others(folder: Path = FOLDER) -> str:
    """Who else is at work here, as a sentence that says what to do; "" if nobody.

    Raises OSError where the file system knows no locks.
    """
    if not folder.is_dir():
        return ""
    queued = slurm.jobs_from(folder.absolute().parent)
    left = f" SLURM's jobs from here: scancel {' '.join(queued)}" if queued else ""
    try:
        fcntl.flock(_handle(folder), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return (
            "Another workflow, or a job that a killed one left, is at work here"
            f"{_processes(folder / NAME)}. Wait until it is done, or stop it.{left}"
        )
    finally:
        hold(folder)
    if queued is None and (folder / "slurm_logs").is_dir():
        return (
            "A workflow was at work here through SLURM, which does not answer: jobs of it may be "
            "waiting. Try again when 'squeue --me' works."
        )
    return left and (
        "A workflow that was killed here left jobs in SLURM's queue. Wait until they are done, "
        f"or stop them.{left}"
    )


def _handle(folder: Path) -> int:
    if folder not in held:
        held[folder] = os.open(folder / NAME, os.O_RDWR | os.O_CREAT, 0o666)
    return held[folder]


def _processes(file: Path) -> str:
    """The other processes that hold a lock on a file, where the system tells (Linux)."""
    try:
        inode = file.stat().st_ino
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return ""
    found = [line.split() for line in lines if " FLOCK " in line]
    holders = {words[4] for words in found if words[5].endswith(f":{inode}")} - {str(os.getpid())}
    numbers = sorted(holders, key=int)
    return f" (process {', '.join(numbers)})" if numbers else ""
