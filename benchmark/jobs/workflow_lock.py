"""Finds out whether a workflow or a job works in a folder; frees the locks of a killed workflow.

Snakemake locks the files that it makes by lists in `.snakemake/locks`. A killed workflow leaves its
lists behind. So every workflow, and every verb that may write into a run, also holds a lock of the
operating system on the file `.snakemake/at-work` for as long as its process lives. If nobody holds
that lock and no job waits in SLURM's queue, the lists belong to a killed workflow.
"""

import fcntl
import os
import shutil
from contextlib import suppress
from pathlib import Path

from benchmark.jobs import slurm

FOLDER = Path(".snakemake")
NAME = "at-work"
open_files: dict[Path, int] = {}  # file descriptors by folder, open while the process lives


def acquire(folder: Path = FOLDER) -> None:
    """Hold the shared lock of the folder; does nothing where no workflow ever ran."""
    if folder.is_dir():
        with suppress(OSError):  # read-only, or a file system without locks
            fcntl.flock(_open(folder), fcntl.LOCK_SH)


def remove_stale_locks(folder: Path = FOLDER) -> str:
    """Remove Snakemake's locks of a killed workflow, unless a job still works; then `acquire`.

    A workflow calls this when it starts. Returns a message for the user, or "".
    """
    locks, message = folder / "locks", ""
    try:
        folder.mkdir(exist_ok=True)
        if locks.is_dir() and any(locks.iterdir()) and not (message := who_is_at_work(folder)):
            shutil.rmtree(locks)
            message = "The last workflow here was killed; this one goes on where it stopped."
    except OSError:  # read-only, or a file system without locks: Snakemake's own locks stay
        return ""
    acquire(folder)
    return message


def who_is_at_work(folder: Path = FOLDER) -> str:
    """Which other process or SLURM job works here, and what to do; "" if there is none.

    Raises OSError where the file system has no locks.
    """
    if not folder.is_dir():
        return ""
    jobs = slurm.jobs_of_workflow(folder.absolute().parent)
    cancel = f" SLURM's jobs from here: scancel {' '.join(jobs)}" if jobs else ""
    try:
        fcntl.flock(_open(folder), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return (
            "Another workflow, or a job of a killed one, is at work here"
            f"{_lock_holders(folder / NAME)}. Wait until it is done, or stop it.{cancel}"
        )
    finally:
        acquire(folder)
    if jobs is None and (folder / "slurm_logs").is_dir():
        return (
            "SLURM does not answer, and a workflow here has used it: jobs may be waiting. "
            "Try again when 'squeue --me' works."
        )
    return cancel and (
        "A workflow that was killed here left jobs in SLURM's queue. Wait until they are done, "
        f"or stop them.{cancel}"
    )


def _open(folder: Path) -> int:
    if folder not in open_files:
        open_files[folder] = os.open(folder / NAME, os.O_RDWR | os.O_CREAT, 0o666)
    return open_files[folder]


def _lock_holders(file: Path) -> str:
    """The other processes that hold a lock on a file, as text; "" where it is not known."""
    try:
        inode = file.stat().st_ino
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return ""
    locks = [line.split() for line in lines if " FLOCK " in line]
    holders = {words[4] for words in locks if words[5].endswith(f":{inode}")} - {str(os.getpid())}
    numbers = sorted(holders, key=int)
    return f" (process {', '.join(numbers)})" if numbers else ""
