"""Kills the verbs of a run at random moments, and checks that nothing is lost or incomplete.

    python -m tests.campaigns.killed --points 200 --seed 0

A point is a verb that is killed (SIGKILL to its process group) when it changes a file below
results/, or up to a tenth of a second later. In half of the points the verb starts from the results
of the earlier verbs, in the other half from a finished run, which it makes again. Directly after
the kill every file must be complete, either the old version or the new one. Then the verb and all
later ones up to scores.csv run again: each must succeed and leave no partial file, and every result
must be equal to that of an undisturbed run, except for measured times and memory.

At the end every verb runs where it cannot write, or not everything: on a disk that is full except
for some bytes, on a read-only one (Linux, as root), and with a limit on the size of files. It must
succeed, or end with one line that names the file. It must lose nothing, and go on when there is
space again.
"""

import argparse
import csv
import json
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmark.core.paths import ROOT
from tests.campaigns import whole, workspace
from tests.campaigns.disk import Disk
from tests.preloaded import python

CONFIG = ("--config", workspace.CONFIG)
DATASET = ("--dataset", "photos")


def _restore(method: str) -> tuple[str, ...]:
    return ("restore-dataset", *CONFIG, "--method", method, "--variant", "default", *DATASET)


STAGES: dict[str, tuple[str, ...]] = {
    "images": ("images", *CONFIG),
    "train": ("train", *CONFIG, "--method", "unet"),
    "restore identity": _restore("identity"),
    "restore unet": _restore("unet"),
    "score identity": ("score-dataset", *CONFIG, "--method", "identity", *DATASET),
    "score unet": ("score-dataset", *CONFIG, "--method", "unet", *DATASET),
    "collect": ("collect", *CONFIG),
    "leaderboard": ("leaderboard", workspace.RUN),
    "figures": ("figures", workspace.RUN),
    "report": ("report", workspace.RUN),
}
LIMITS = (2000, 20_000)  # bytes of a file; most results are larger
ROOMS = (0, 8192, 65_536)  # bytes left on a full disk
FILES, FULL, READ_ONLY = "files grow no further", "full disk", "read-only folder"
SLOWEST = 0.1  # seconds from a change of a file to the kill


@dataclass
class Point:
    """One disturbance of a stage: a kill or an obstacle.

    finished: the stage starts from a finished run. A kill comes `delay` seconds after change
    number `operation` of a file. An obstacle is one of FILES, FULL, READ_ONLY; `room`: bytes that
    can be written.
    """

    stage: str
    finished: bool
    operation: int | None = None
    delay: float = 0.0
    obstacle: str = ""
    room: int = 0
    killed: bool = False
    outcome: str = ""


class Campaign:
    """A workspace with an undisturbed run, and the process that runs verbs in it."""

    def __init__(self, folder: Path, stages: Sequence[str] = tuple(STAGES), own_disk=False):
        self.stages = stages
        self.folder = workspace.make(folder / "workspace")
        self.disk = Disk(self.folder / "results") if own_disk else None
        self.states = folder / "states"
        self.run = self.folder / workspace.RUN
        self.log = folder / "log.txt"
        self.operations: dict[str, int] = {}
        command = [python(), str(ROOT / "tests" / "campaigns" / "victim.py")]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen(command, cwd=self.folder, text=True, **pipes)
        for stage in stages:
            self._keep(stage)
            self.operations[stage] = self.finish(stage)
        self._keep("end")
        self.end = whole.contents(self.run)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        if self.disk:
            self.disk.close()

    def ask(
        self, stage: str, after: int | None = None, delay=0.0, limit: int | None = None
    ) -> dict:
        """Run a stage, and kill it at change `after`, if given. The answer of victim.py."""
        how = {"after": after, "delay": delay, "limit": limit}
        request = {"verb": STAGES[stage], "log": str(self.log), **how}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def finish(self, stage: str) -> int:
        """Run a stage to its end. Returns its number of file changes; RuntimeError if it fails."""
        done = self.ask(stage)
        if done["code"]:
            raise RuntimeError(f"{stage} ended with {done['code']}: {self.log.read_text()[-500:]}")
        return done["operations"]

    def _keep(self, name: str) -> None:
        self.run.mkdir(parents=True, exist_ok=True)
        shutil.copytree(self.run, self.states / name)

    def try_point(self, point: Point) -> None:
        """Kill at a point and go on. Sets `point.outcome` to `ok` or the faults."""
        shutil.rmtree(self.run)
        shutil.copytree(self.states / ("end" if point.finished else point.stage), self.run)
        before = whole.contents(self.run)
        point.killed = self.ask(point.stage, point.operation, point.delay)["killed"]
        faults = whole.damage(self.run, before, self.end)
        point.outcome = "; ".join([*faults, *self._go_on(point.stage)]) or "ok"

    def try_obstacle(self, point: Point) -> None:
        """Run a stage that cannot write everything, then again with enough space."""
        shutil.rmtree(self.run)
        shutil.copytree(self.states / ("end" if point.finished else point.stage), self.run)
        before = whole.contents(self.run)
        with self._obstacle(point):
            limit = point.room if point.obstacle == FILES else None
            code = self.ask(point.stage, limit=limit)["code"]
        faults, text = whole.damage(self.run, before, self.end), self.log.read_text()
        point.killed = code != 0
        if code and (code != 1 or "error: " not in text or "Traceback" in text):
            faults.append(f"ended with {code}: {text[-300:]}")
        point.outcome = "; ".join([*faults, *self._go_on(point.stage)]) or "ok"

    @contextmanager
    def _obstacle(self, point: Point) -> Iterator[None]:
        if point.obstacle == FULL:
            self.disk.fill(point.room)
        elif point.obstacle == READ_ONLY:
            self.disk.lock(True)
        yield
        if point.obstacle == FULL:
            self.disk.empty()
        elif point.obstacle == READ_ONLY:
            self.disk.lock(False)

    def _go_on(self, first: str) -> list[str]:
        """Run a stage and the later ones up to scores.csv. The faults of the run after that."""
        faults, names = [], [*self.stages]
        last = max(names.index("collect"), names.index(first))
        try:
            for stage in names[names.index(first) : last + 1]:
                self.finish(stage)
        except RuntimeError as error:
            faults.append(f"run again: {error}")
        faults += [f"left behind: {name}" for name in whole.partial_files(self.run)]
        for name, path in whole.files(self.run).items():
            if path.suffix == ".pt" or whole.content(path) != self.end.get(name):
                faults.append(f"run again: {name} is not that of the undisturbed run")
        return faults


def points(operations: dict[str, int], number: int, seed: int) -> list[Point]:
    """Points for all stages in turn, at random changes of files, half of them without delay."""
    generator = random.Random(seed)
    names = list(operations)
    drawn = []
    for index in range(number):
        stage = names[index % len(names)]
        delay = generator.choice((0.0, round(generator.uniform(0, SLOWEST), 4)))
        operation = generator.randint(1, operations[stage])
        drawn.append(Point(stage, generator.random() < 0.5, operation, delay))
    return drawn


def obstacles(own_disk: bool) -> list[Point]:
    """Every stage, new and made anew, before every obstacle; those of a disk where there is one."""
    kinds = [(FILES, room) for room in LIMITS]
    kinds += [(READ_ONLY, 0), *((FULL, room) for room in ROOMS)] if own_disk else []
    return [
        Point(stage, finished, obstacle=obstacle, room=room)
        for obstacle, room in kinds
        for stage in STAGES
        for finished in (False, True)
    ]


def table(tried: list[Point], by: str) -> str:
    """A Markdown table with a row for each value of a field of the points: their number and their
    outcomes."""
    lines = [f"| {by} | points | stopped before its end | outcome |", "|---|---:|---:|---|"]
    for value in dict.fromkeys(getattr(point, by) for point in tried):
        own = [point for point in tried if getattr(point, by) == value]
        outcomes = Counter(point.outcome for point in own).most_common()
        text = "; ".join(f"{count} {outcome}" for outcome, count in outcomes)
        lines.append(f"| {value} | {len(own)} | {sum(p.killed for p in own)} | {text} |")
    return "\n".join(lines)


def _may_mount() -> bool:
    try:
        with tempfile.TemporaryDirectory() as folder:
            Disk(Path(folder)).close()
        return True
    except (PermissionError, FileNotFoundError) as error:
        print(f"cannot mount a disk, so none is full or read-only: {error}", file=sys.stderr)
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="CSV file of all points")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        campaign = Campaign(Path(folder), own_disk=_may_mount())
        kills = points(campaign.operations, arguments.points, arguments.seed)
        full = obstacles(campaign.disk is not None)
        with closing(campaign):
            for number, point in enumerate([*kills, *full], 1):
                (campaign.try_obstacle if point.obstacle else campaign.try_point)(point)
                print(f"{number}/{len(kills) + len(full)} {point}", file=sys.stderr, flush=True)
    tried = [*kills, *full]
    if arguments.out:
        with arguments.out.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, asdict(tried[0]))
            writer.writeheader()
            writer.writerows(map(asdict, tried))
    print(f"{table(kills, 'stage')}\n\n{table(full, 'obstacle')}")
    sys.exit(any(point.outcome != "ok" for point in tried))


if __name__ == "__main__":
    main()
