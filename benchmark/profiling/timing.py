"""Seconds, and arithmetic as a share of the machine's own matrix-product rate."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

import torch

from benchmark.core.device import Stopwatch


@dataclass(frozen=True)
class Sizes:
    """The sizes of the measurements.

    matrix: side of the matrices. batch, crop: images of a training step, and their side in pixels.
    side: side of a sampled image in pixels. pairs: training pairs that are made for each stage.
    repeats: of each timing. memory_sides: sides in pixels of the two images (4 and 40 megapixels)
    whose memory in sampling is compared.
    """

    matrix: int = 2048
    batch: int = 16
    crop: int = 64
    side: int = 256
    pairs: int = 64
    repeats: int = 5
    memory_sides: tuple[int, int] = (2000, 6325)


def median_seconds(run: Callable[[], object], machine: torch.device, repeats: int) -> float:
    """Median seconds of `repeats` calls of `run`, after one call that is not counted."""
    run()
    return statistics.median(seconds_of(run, machine) for _ in range(repeats))


def seconds_of(run: Callable[[], object], machine: torch.device) -> float:
    """Seconds of one call, including the work that it queues on the device."""
    with Stopwatch(machine) as watch:
        run()
    return watch.seconds


def matmul_rate(machine: torch.device, side: int, repeats: int = 3) -> float:
    """FLOP/s of the product of two float32 matrices (side, side): the best of `repeats` calls."""
    a, b = torch.rand(2, side, side, device=machine)
    torch.mm(a, b)
    return 2 * side**3 / min(seconds_of(lambda: torch.mm(a, b), machine) for _ in range(repeats))


def share_of_matmul(
    run: Callable[[], object], flops: int, machine: torch.device, sizes: Sizes
) -> float:
    """FLOP/s of `run`, which takes `flops` operations, over the matrix-product rate.

    The rate is taken before and after every call, because a machine's speed drifts; the result is
    the median over the calls. A share can be above 1 on a GPU whose work is in bfloat16.
    """
    run()
    before, shares = matmul_rate(machine, sizes.matrix), []
    for _ in range(sizes.repeats):
        seconds = seconds_of(run, machine)
        after = matmul_rate(machine, sizes.matrix)
        shares.append(flops / seconds / ((before + after) / 2))
        before = after
    return statistics.median(shares)
