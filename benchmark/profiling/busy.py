"""How much slower a training step is while another process keeps a core busy."""

import contextlib
import signal
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator

import torch

from benchmark.profiling.timing import seconds_of

FOREVER = "while True: pass"


def busy_slowdown(run: Callable[[], object], repeats: int) -> float:
    """Seconds of `run` beside a busy process over its seconds alone, medians of `repeats` calls.

    The two take turns, so that other work on the machine meets both.
    """
    cpu = torch.device("cpu")
    run()
    alone, beside = [], []
    with _neighbour() as process:
        for _ in range(repeats):
            process.send_signal(signal.SIGSTOP)
            alone.append(seconds_of(run, cpu))
            process.send_signal(signal.SIGCONT)
            beside.append(seconds_of(run, cpu))
    return statistics.median(beside) / statistics.median(alone)


@contextlib.contextmanager
def _neighbour() -> Iterator[subprocess.Popen]:
    """A process that computes until the end of the block."""
    process = subprocess.Popen([sys.executable, "-c", FOREVER])
    try:
        yield process
    finally:
        process.kill()
        process.wait()
