"""Measures the full-size networks on a GPU, each part in a process of its own with a time limit.

    bash tests/campaigns/gpu.sh

Parts: a training step of each denoiser, in eager mode and compiled; restoring images one by one and
in batches; every method trained and restored twice (`tests.campaigns.twice`); and, in the time that
is left, a training of the regression and of the diffusion model, with their scores.
"""

import argparse
import subprocess
import sys
import time

from tests.campaigns import gpu_parts

HEAD = f"{'part':34} {'seconds':>10} {'PSNR, dB':>9} {'of bf16':>8} {'GiB':>7}  notes"
# In the order of their worth, each with the most seconds that it may take.
LIMITS = {
    **{f"step {name}": 45 for name in gpu_parts.DENOISERS},
    "restore one by one": 60,
    "restore batched": 60,
    "twice": 180,
    **{f"step {name} compiled": 90 for name in gpu_parts.DENOISERS},
}
LEAST = 20  # seconds: a part is not started with less left


def main(arguments: list[str] | None = None) -> None:
    """Measure the parts that fit into the time, and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--tiny", action="store_true", help="tiny networks, in this process")
    parser.add_argument("--part", help="measure this part alone, without a time limit")
    chosen = parser.parse_args(arguments)
    if chosen.part:
        print(row(chosen.part, gpu_parts.measure(chosen.part, chosen.tiny)))
        return
    end = time.monotonic() + 60 * chosen.minutes
    print(gpu_parts.machine(), HEAD, sep="\n", flush=True)
    for part, limit in LIMITS.items():
        if chosen.tiny and "compiled" in part:
            print(row(part, {"notes": "left out: a compiler takes longer than all the rest"}))
        elif chosen.tiny:
            print(row(part, gpu_parts.measure(part, tiny=True)), flush=True)
        else:
            print(_in_time(part, min(limit, end - time.monotonic())), flush=True)
    left = end - time.monotonic()
    if chosen.tiny:
        left = 1
    elif left < 4 * LEAST:
        print(row("train the main pair", {"notes": f"left out: {left:.0f} s left"}))
        return
    for found in gpu_parts.train_main_pair(left, chosen.tiny):
        print(row(found.pop("part"), found), flush=True)


def _in_time(part: str, seconds: float) -> str:
    """The row of a part that a process measures in at most so many seconds."""
    if seconds < LEAST:
        return row(part, {"notes": "left out: no time left"})
    command = [sys.executable, "-m", "tests.campaigns.gpu", "--part", part]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return row(part, {"notes": f"not done after {seconds:.0f} s"})
    if done.returncode:
        return row(part, {"notes": "failed: " + (done.stderr.strip().splitlines() or [""])[-1]})
    return done.stdout.strip().splitlines()[-1]


def row(part: str, found: dict) -> str:
    """A line of the table; what was not measured is blank."""
    cells = [
        f"{found[name]:{width}.{digits}f}" if name in found else " " * width
        for name, width, digits in (
            ("seconds", 10, 4), ("psnr", 9, 2), ("share", 8, 4), ("gib", 7, 2)
        )
    ]  # fmt: skip
    return f"{part:34} {' '.join(cells)}  {found.get('notes', '')}".rstrip()


if __name__ == "__main__":
    main()
