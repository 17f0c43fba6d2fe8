"""Measures how long the workflow takes to plan many jobs.

    python -m tests.campaigns.planning --seeds 6 60 600

A seed adds a training, 25 restorings and 5 scorings. Ten times as many jobs have to take at most
ten times as long (processor time of a dry run, Snakemake's import included).
"""

import argparse
import pstats
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from tests.clone import clone, jobs_in
from tests.preloaded import python

COMMAND = ("-m", "snakemake", "--cores", "all", "--dry-run", "--config")
MANY = "config/many.yaml"
JOBS_A_SEED = {"train": 1, "restore": 25, "score": 5}


def write_many(repository: Path, seeds: int) -> None:
    """Write a configuration of 31 jobs for each seed into a clone."""
    config = {
        "name": "many", "train_on": "photos", "discover": False, "seeds": list(range(seeds)),
        "datasets": {f"set{i}": {"card": "photos"} for i in range(5)},
        "methods": {"unet": {
            "method": "regression",
            "variants": {f"tile-{i}": {"tile": 128 + i} for i in range(5)},
        }},
    }  # fmt: skip
    (repository / MANY).write_text(yaml.safe_dump(config), encoding="utf-8")


def seconds(repository: Path, seeds: int) -> float:
    """Processor time of a dry run for so many seeds."""
    write_many(repository, seeds)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    command = [sys.executable, *COMMAND, f"run={MANY}"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def calls_of_a_plan(repository: Path, seeds: int) -> int:
    """The calls of functions in a dry run for so many seeds."""
    write_many(repository, seeds)
    profile = repository / "calls"
    command = [python(), "-m", "cProfile", "-o", profile, *COMMAND, f"run={MANY}"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    jobs = jobs_in(done.stdout)
    expected = {rule: seeds * number for rule, number in JOBS_A_SEED.items()}
    if {rule: jobs.get(rule) for rule in JOBS_A_SEED} != expected:
        raise RuntimeError(done.stdout + done.stderr)
    return pstats.Stats(str(profile)).total_calls


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[6, 60])
    arguments = parser.parse_args()
    slow, before = False, None
    print("| seeds | jobs | seconds |\n|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        repository = clone(Path(folder) / "clone")
        for seeds in arguments.seeds:
            taken = seconds(repository, seeds)
            print(f"| {seeds} | {31 * seeds} | {taken:.1f} |", flush=True)
            if before:
                slow |= taken / before[1] > seeds / before[0]
            before = seeds, taken
    sys.exit(slow)


if __name__ == "__main__":
    main()
