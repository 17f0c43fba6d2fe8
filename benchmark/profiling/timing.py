"""Seconds, and arithmetic as a share of the machine's own matrix-product rate."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

import torch

from benchmark.core.device import Stopwatch


@dataclass(frozen=True)
class Sizes:
    """How large the measurements are: side of the matrices, images and crop of a training step,
    side of a sampled image, training pairs made at each stage, repeats of each timing, and sides of
    the two images (4 and 40 megapixels) whose sampling is compared in memory."""

    matrix: int = 2048
    batch: int = 16
    crop: int = 64
    side: int = 256
    pairs: int = 64
    repeats: int = 5
    memory_sides: tuple[int, int] = (2000, 6325)


def median_seconds(run: Callable[[], object], machine: torch.device, repeats: int) -> float:
    """Median time of `run`, after one call that is not counted."""
    run()
    return statistics.median(stopped(run, machine) for _ in range(repeats))


def stopped(run: Callable[[], object], machine: torch.device) -> float:
    """Seconds of one call, the device's queued work included."""
    with Stopwatch(machine) as watch:
        run()
    return watch.seconds


def matmul_rate(machine: torch.device, side: int, repeats: int = 3) -> float:
    """FLOP/s of the product of two float32 matrices (side, side), the best of several."""
    a, b = torch.rand(2, side, side, device=machine)
    torch.mm(a, b)
    return 2 * side**3 / min(stopped(lambda: torch.mm(a, b), machine) for _ in range(repeats))


def share_of_matmul(
    run: Callable[[], object], flops: int, machine: torch.device, sizes: Sizes
) -> float:
    """FLOP/s that `run` reaches with its `flops`, over the matrix-product rate.

    The rate is taken before and after every call, because a machine's speed drifts; the median of
    the calls' shares counts. A GPU may convolve in TF32, but multiplies matrices in float32: there
    shares above 1 are possible.
    """
    run()
    before, shares = matmul_rate(machine, sizes.matrix), []
    for _ in range(sizes.repeats):
        seconds = stopped(run, machine)
        after = matmul_rate(machine, sizes.matrix)
        shares.append(flops / seconds / ((before + after) / 2))
        before = after
    return statistics.median(shares)
