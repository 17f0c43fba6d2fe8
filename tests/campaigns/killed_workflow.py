"""Kills a whole workflow again and again and repeats the command, until the run is done.

    python -m tests.campaigns.killed_workflow --points 20 --seed 0

Two of three kills end Snakemake and its jobs, as closing a terminal or a batch system does. The
third ends Snakemake alone, and its job goes on. The repeated command must go on where the run
stopped, or name the process that is still running. At the end scores.csv, weights and restored
images must have the same bytes as those of an undisturbed run.
"""

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.campaigns import whole, workspace

COMMAND = (sys.executable, "-m", "snakemake", "--cores", "all", "--config")
SAME = (".safetensors", ".png")
LONGEST = 0.5  # longest time to a kill, as a share of the time of an undisturbed run


@dataclass
class Kill:
    """Seconds after the start, whether jobs were killed too, the running rule, the outcome."""

    seconds: float
    with_jobs: bool
    rule: str = ""
    outcome: str = ""


def start(folder: Path, log: Path) -> subprocess.Popen:
    """Run the command with its output in `log`. The data are there and not pulled."""
    return subprocess.Popen(
        [*COMMAND, f"run={workspace.CONFIG}"],
        cwd=folder,
        stdout=log.open("w"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
        env={**os.environ, "DVC_STAGE": "campaign"},
    )


def rule_at_work(log: Path) -> str:
    rules = re.findall(r"^Job \d+: (\w+)", log.read_text(), re.M)
    return rules[-1] if rules else "starting"


def results(run: Path) -> dict[str, bytes]:
    """The files that are equal in every run, with their bytes: scores, weights, images."""
    return {
        name: path.read_bytes()
        for name, path in whole.files(run).items()
        if name == "scores.csv" or (path.suffix in SAME and name.startswith(("train", "restored")))
    }


def run_undisturbed(folder: Path, log: Path) -> dict[str, bytes]:
    if start(folder, log).wait():
        raise RuntimeError(f"the undisturbed run failed: {log.read_text()[-2000:]}")
    return results(folder / workspace.RUN)


def kill_until_done(
    folder: Path, log: Path, generator: random.Random, longest: float
) -> list[Kill]:
    """Repeat the command until it ends by itself; kill it each time after at most `longest`
    seconds. The kills, with their outcomes."""
    kills: list[Kill] = []
    orphans: set[int] = set()  # process groups whose Snakemake alone was killed
    while True:
        kill = Kill(round(generator.uniform(0.05, 1) * longest, 1), generator.random() < 2 / 3)
        process = start(folder, log)
        try:
            code = process.wait(kill.seconds)
        except subprocess.TimeoutExpired:
            kill.rule = rule_at_work(log)
            if kill.with_jobs:
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
                orphans.add(process.pid)
            process.wait()
            kill.outcome = "; ".join(_not_whole(folder / workspace.RUN)) or "ok"
            kills.append(kill)
            continue
        if code == 0:
            return kills
        if not kills or "is at work here" not in log.read_text():
            kill.rule, kill.outcome = rule_at_work(log), f"typed again: {log.read_text()[-800:]}"
            return [*kills, kill]
        kills[-1].outcome += ", told that its job was still at work"
        _wait_for(orphans)


def _wait_for(groups: set[int]) -> None:
    """Wait for the jobs whose Snakemake was killed alone."""
    while groups:
        for group in tuple(groups):
            try:
                os.killpg(group, 0)
            except ProcessLookupError:
                groups.remove(group)
        time.sleep(0.5)


def _not_whole(run: Path) -> list[str]:
    faults = []
    for name, path in whole.files(run).items():
        if not name.startswith("logs/"):
            try:
                whole.content(path)
            except Exception as error:
                faults.append(f"{name} is not whole: {error}")
    return faults


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=20, help="kills at least")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    generator, kills, wrong = random.Random(arguments.seed), [], False
    print("| seconds | killed | rule | outcome |\n|---:|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        log = Path(temporary) / "log.txt"
        start_time = time.monotonic()
        expected = run_undisturbed(workspace.make(Path(temporary) / "alone"), log)
        longest = LONGEST * (time.monotonic() - start_time)
        while len(kills) < arguments.points and not wrong:
            folder = workspace.make(Path(temporary) / f"killed{len(kills)}")
            made = kill_until_done(folder, log, generator, longest)
            for kill in made:
                who = "with its jobs" if kill.with_jobs else "Snakemake alone"
                print(f"| {kill.seconds} | {who} | {kill.rule} | {kill.outcome} |", flush=True)
            same = results(folder / workspace.RUN) == expected
            left = whole.partial_files(folder / workspace.RUN)
            kills += made
            wrong = not same or bool(left) or any(not k.outcome.startswith("ok") for k in made)
            print(
                f"the run at its end after {len(made)} kills: "
                f"{'the same' if same else 'OTHER'} results, {len(left)} partial files",
                file=sys.stderr,
                flush=True,
            )
    sys.exit(wrong)


if __name__ == "__main__":
    main()
