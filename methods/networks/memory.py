"""Memory of an evaluation, and the largest tile that fits into a given amount."""

import bisect
from collections.abc import Callable

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from benchmark.core.memory import PeakMemory


def tile_for(
    evaluate: Callable[..., Tensor],
    channels: int | tuple[int, ...],
    memory_bytes: int,
    batch: int = 1,
    multiple: int = 64,
    largest: int = 4096,
    device: torch.device | str = "cpu",
) -> int:
    """The largest tile side, a multiple of `multiple`, whose evaluation fits into `memory_bytes`.

    evaluate: the function given to `tiled`, with its networks on `device`; channels: of its
    arguments; `batch` tiles are evaluated at once. Nothing is computed. `peak_bytes` is kept below
    the bound; the network's weights and buffers as large as the image come in addition. Leave a
    margin: the C library's heap was measured to be 1.6 times as large for tiles of 512 pixels and
    1.1 times for 2048, because of fragmentation.

    No tile is larger than `largest`. Raises ValueError if not even the smallest one fits.
    """
    sides = range(multiple, largest + 1, multiple)

    def needed(side: int) -> int:
        return peak_bytes(evaluate, channels, side, batch, device)

    fitting = bisect.bisect_right(sides, memory_bytes, key=needed)
    if fitting == 0:
        raise ValueError(
            f"{batch} tile(s) of {multiple} pixels need {needed(multiple) / 2**20:.1f} MiB, "
            f"more than the {memory_bytes / 2**20:.1f} MiB allowed"
        )
    return sides[fitting - 1]


def peak_bytes(
    evaluate: Callable[..., Tensor],
    channels: int | tuple[int, ...],
    side: int,
    batch: int = 1,
    device: torch.device | str = "cpu",
) -> int:
    """Largest number of bytes of float32 tensors alive at once, for square tiles of `side` pixels.

    `evaluate` runs on tensors that have a shape and no content. The inputs count, the network's
    weights do not.
    """
    channels = channels if isinstance(channels, tuple) else (channels,)
    # Weights have content; FakeTensorMode takes their shapes.
    with torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True), PeakMemory() as memory:
        evaluate(*(torch.empty(batch, c, side, side, device=device) for c in channels))
    return memory.peak
