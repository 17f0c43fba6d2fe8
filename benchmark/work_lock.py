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

from benchmark import slurm

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
    locks = folder / "locks"
    told, at_work = "", False
    try:
        folder.mkdir(exist_ok=True)
        try:
            fcntl.flock(_handle(folder), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            at_work = True
        if locks.is_dir() and any(locks.iterdir()):
            queued = slurm.jobs_from(folder.absolute().parent)
            told = _told(at_work, _processes(folder / NAME), queued)
            if not (at_work or queued):
                shutil.rmtree(locks)
    except OSError:  # read-only, or a file system without locks: Snakemake's own stay as they are
        return ""
    hold(folder)
    return told


def _told(at_work: bool, processes: str, queued: list[str]) -> str:
    jobs = " ".join(queued)
    slurm = f" SLURM's jobs from here: scancel {jobs}" if jobs else ""
    if at_work:
        return (
            "Another workflow, or a job that a killed one left, is at work here"
            f"{processes}. Wait until it is done, or stop it.{slurm}"
        )
    if jobs:
        return (
            "A workflow that was killed here left jobs in SLURM's queue. Wait until they are done, "
            f"or stop them.{slurm}"
        )
    return "The last workflow here was killed; this one goes on where it stopped."


def _handle(folder: Path) -> int:
    if folder not in held:
        held[folder] = os.open(folder / NAME, os.O_RDWR | os.O_CREAT, 0o666)
    return held[folder]


def _processes(file: Path) -> str:
    """The processes that hold a lock on a file, where the system tells (Linux)."""
    try:
        inode = file.stat().st_ino
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return ""
    found = [line.split() for line in lines if " FLOCK " in line]
    numbers = sorted({words[4] for words in found if words[5].endswith(f":{inode}")}, key=int)
    return f" (process {', '.join(numbers)})" if numbers else ""
