"""Asks SLURM about its jobs through its own commands. Without SLURM there are no jobs."""

import shutil
import subprocess
from pathlib import Path


def jobs_of_workflow(folder: Path) -> list[str] | None:
    """Numbers of the waiting or running jobs that a workflow in `folder` has submitted.

    None if SLURM does not answer.
    """
    if not shutil.which("squeue"):
        return []
    lines = _lines("squeue", "--me", "--noheader", "--format", "%i|%k|%Z")
    if lines is None:
        return None
    jobs = [line.split("|", 2) for line in lines if line.count("|") > 1]
    # Snakemake's jobs have such a comment. A job that runs Snakemake itself has none.
    return [
        number
        for number, comment, place in jobs
        if comment.startswith("rule_") and Path(place).resolve() == folder.resolve()
    ]


def job_state(job: str) -> str:
    """The state of a job, such as TIMEOUT; '' if SLURM does not know it (any more)."""
    for command in (
        ("sacct", "--jobs", job, "--allocations", "--noheader", "--format", "State%30"),
        ("squeue", "--jobs", job, "--states", "all", "--noheader", "--format", "%T"),
    ):
        if words := " ".join(_lines(*command) or []).split():
            return words[0]  # sacct may print 'CANCELLED by 0'
    return ""


def _lines(*command: str) -> list[str] | None:
    """The lines that a command prints; None if it fails or does not answer in a minute."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.splitlines()
