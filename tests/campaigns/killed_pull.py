"""Kills the pull of the data at random moments, repeats the command, and checks the data.

    python -m tests.campaigns.killed_pull --points 50 --seed 0

Every point starts without data and without DVC's cache. A pull is killed (SIGKILL to its process
group) one to three times. The next pull is not killed and has to succeed. Then every file of the
data's manifest must be there with its checksum, by the check that comes before each run.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.clone import clone

PULL = (sys.executable, "-m", "benchmark", "pull")
CHECK = (sys.executable, "-c", "from benchmark.data import cards; cards.verify('photos')")
LEFT = ("data", ".dvc/cache", ".dvc/tmp", ".cache")  # removed before each point
KILLS = 3


def pull(folder: Path, log: Path, seconds: float | None = None) -> int | None:
    """Run the command. Its exit status, or None if it was killed after `seconds`."""
    with log.open("w") as output:
        process = subprocess.Popen(
            PULL, cwd=folder, stdout=output, stderr=output, start_new_session=True
        )
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return None


def try_point(folder: Path, log: Path, moments: list[float]) -> tuple[int, str]:
    """Kill pulls at these moments, then pull to the end. How many were killed, and `ok` or the
    fault."""
    _forget(folder)
    killed = [pull(folder, log, seconds) for seconds in moments].count(None)
    if code := pull(folder, log):
        return killed, f"typed again: ended with {code}: {log.read_text()[-500:]}"
    checked = subprocess.run(CHECK, cwd=folder, capture_output=True, text=True)
    return killed, checked.stderr[-500:].strip() or "ok"


def _seconds(folder: Path, log: Path) -> float:
    _forget(folder)
    start = time.monotonic()
    pull(folder, log)
    return time.monotonic() - start


def _forget(folder: Path) -> None:
    for name in LEFT:
        shutil.rmtree(folder / name, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    generator, kills, wrong = random.Random(arguments.seed), 0, 0
    with tempfile.TemporaryDirectory() as temporary:
        folder, log = clone(Path(temporary) / "clone"), Path(temporary) / "log.txt"
        longest = min(_seconds(folder, log) for _ in range(3))
        for point in range(1, arguments.points + 1):
            moments = [
                round(generator.uniform(0, longest), 3) for _ in range(generator.randint(1, KILLS))
            ]
            killed, outcome = try_point(folder, log, moments)
            kills, wrong = kills + killed, wrong + (outcome != "ok")
            print(f"{point}/{arguments.points} {moments} {outcome}", file=sys.stderr, flush=True)
    print(f"{arguments.points} points, {kills} pulls killed, {wrong} points not ok")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
