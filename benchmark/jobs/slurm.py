"""What SLURM's own commands tell; nothing where there is no SLURM."""

import shutil
import subprocess
from pathlib import Path


def jobs_from(folder: Path) -> list[str] | None:
    """Numbers of the jobs, waiting or running, that a workflow in `folder` has submitted.

    None if SLURM does not answer.
    """
    if not shutil.which("squeue"):
        return []
    lines = _lines("squeue", "--me", "--noheader", "--format", "%i|%k|%Z")
    if lines is None:
        return None
    jobs = [line.split("|", 2) for line in lines if line.count("|") > 1]
    # Snakemake's comment of a job begins so; a workflow may itself be a job of this folder.
    return [
        number
        for number, comment, place in jobs
        if comment.startswith("rule_") and Path(place).resolve() == folder.resolve()
    ]


def state(job: str) -> str:
    """How a job is or ended, such as TIMEOUT; '' if SLURM does not tell (any more)."""
    for command in (
        ("sacct", "--jobs", job, "--allocations", "--noheader", "--format", "State%30"),
        ("squeue", "--jobs", job, "--states", "all", "--noheader", "--format", "%T"),
    ):
        if words := " ".join(_lines(*command) or []).split():
            return words[0]  # 'CANCELLED by 0' is one of sacct's
    return ""


def _lines(*command: str) -> list[str] | None:
    """What a command prints; None if it fails or does not answer."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.splitlines()
