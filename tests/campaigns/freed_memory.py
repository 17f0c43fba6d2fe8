"""What it costs that the C library gives freed memory back: an evaluation and a training step.

    python -m tests.campaigns.freed_memory

Prints the seconds of the default U-Net with and without `benchmark.core.heap.keep_freed_memory`, on
a CPU: medians in alternating processes. Needs a quiet machine and four minutes.
"""

import statistics
import subprocess
import sys
from functools import partial

import torch

from benchmark.core import heap
from benchmark.profiling.timing import median_seconds
from methods.regression import Regression

ROUNDS, REPEATS = 3, 10
WORK = ("256 256 evaluation", "768 768 evaluation", "16 64 training", "4 128 training")


def main() -> None:
    print("seconds: freed memory given back / kept, in alternating rounds")
    for work in WORK:
        rounds = [[_in_process(how, work) for how in ("plain", "kept")] for _ in range(ROUNDS)]
        times = ", ".join(f"{plain:.3f} / {kept:.3f}" for plain, kept in rounds)
        ratio = statistics.median(plain / kept for plain, kept in rounds)
        print(f"  {work:20} {times}: {ratio:.2f} times as fast", flush=True)


def _in_process(how: str, work: str) -> float:
    command = [sys.executable, "-m", __spec__.name, how, *work.split()]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def measure(how: str, first: int, second: int, kind: str) -> float:
    """Median seconds of an evaluation of first × second pixels, on all cores, or of a training step
    of `first` pairs of second × second pixels, on one core."""
    if how == "kept":
        heap.keep_freed_memory()
    seconds = partial(median_seconds, machine=torch.device("cpu"), repeats=REPEATS)
    method = Regression()
    method.network = method.build()
    generator = torch.Generator().manual_seed(0)
    if kind == "training":
        torch.set_num_threads(1)
        pairs = torch.rand(first, 3, second, second, generator=generator)
        return seconds(lambda: method.loss(pairs, pairs / 2, generator).backward())
    image = torch.rand(1, 3, first, second, generator=generator)
    with torch.inference_mode():
        return seconds(lambda: method.restore(image, method.Variant(), [generator]))


if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    else:
        how, first, second, kind = sys.argv[1:]
        print(measure(how, int(first), int(second), kind))
