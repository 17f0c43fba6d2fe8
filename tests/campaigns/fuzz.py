"""Feeds thousands of wrong files to every reader of files.

    python -m tests.campaigns.fuzz --examples 2000 --seed 0

Every outcome must be a success, or a UserError that names the file or a key in it, within half a
minute and without gigabytes of memory. Example N of a target depends only on the seed, the target
and N: `--target NAME --first N --examples 1` repeats it.
"""

import argparse
import contextlib
import os
import resource
import signal
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from pathlib import Path
from random import Random

from benchmark.core.errors import UserError
from benchmark.core.paths import ROOT
from tests.campaigns.targets import SLOW, TARGETS, Target

FEWER = 10  # a slow target gets this many times fewer examples
SECONDS = 30
MEMORY = 6 * 2**30  # bytes of address space in addition to that of the imports


def outcome(target: Target, folder: Path, random: Random) -> tuple[str, str]:
    """`accepted`, or `refused` with its message, or a fault with its details."""
    names: tuple[str, ...] = ()
    try:
        with _limits():
            steps = target(folder, random)
            names = next(steps)
            for _ in steps:
                raise AssertionError("a target yields once")
        return "accepted", ""
    except UserError as error:
        wanted = (names,) if isinstance(names, str) else names
        if not any(name in str(error) for name in wanted):
            return f"does not name {wanted[0]}", str(error)
        return "refused", str(error)
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [f for f in frames if f.filename.startswith(str(ROOT / "benchmark"))] or frames
        place = f"{Path(own[-1].filename).name}:{own[-1].name}"
        return f"{type(error).__name__} in {place}", f"line {own[-1].lineno}: {error}"


@contextlib.contextmanager
def _limits():
    """Inside: a time limit, no output, no warnings."""

    def late(*_):
        raise TimeoutError(f"longer than {SECONDS} s")

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)  # processor time: other load does not count
    try:
        with (
            open(os.devnull, "w") as nowhere,
            contextlib.redirect_stdout(nowhere),
            contextlib.redirect_stderr(nowhere),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def run(name: str, examples: int, seed: int, first: int = 0) -> dict[str, list[tuple[int, str]]]:
    """Outcomes of examples of a target: for each kind of outcome, the numbers and messages."""
    found: dict[str, list[tuple[int, str]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(first, first + examples):
            kind, message = outcome(TARGETS[name], Path(folder), Random(f"{seed} {name} {number}"))
            found.setdefault(kind, []).append((number, message))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--examples",
        type=int,
        default=1000,
        help=f"number for each target; slow ones get 1 in {FEWER}",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--target", choices=TARGETS, action="append")
    arguments = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, hard))
    print("| what is read | tried | read | refused by name | wrong |\n|---|---:|---:|---:|---|")
    wrong = False
    for name in arguments.target or TARGETS:
        fewer = FEWER if name in SLOW else 1
        examples = max(1, arguments.examples // fewer)
        found = run(name, examples, arguments.seed, arguments.first)
        faults = {k: v for k, v in found.items() if k not in ("accepted", "refused")}
        counts = [len(found.get(kind, [])) for kind in ("accepted", "refused")]
        counted = Counter({kind: len(v) for kind, v in faults.items()}).most_common()
        text = "; ".join(f"{n} {kind}" for kind, n in counted) or "none"
        print(f"| {name} | {examples} | {counts[0]} | {counts[1]} | {text} |", flush=True)
        for kind, examples_of_kind in faults.items():
            for number, message in examples_of_kind[:2]:
                print(f"{name}, example {number}: {kind}: {message[:300]}", file=sys.stderr)
        wrong |= bool(faults)
    sys.exit(wrong)


if __name__ == "__main__":
    main()
