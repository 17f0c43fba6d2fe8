"""Overlapping patches: a network for small squares evaluated on an image of any larger size.

Özdenizci and Legenstein (2023, algorithm 2): at every step of sampling, the noise that the network
predicts is the mean over a grid of overlapping patches.
"""

import itertools
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


def pad_to_patch(x: Tensor, patch: int) -> Tensor:
    """Repeat the last row and column of (B, C, H, W) until H, W >= patch; H, W >= 1."""
    height, width = x.shape[-2:]
    padding = (0, max(patch - width, 0), 0, max(patch - height, 0))
    return F.pad(x, padding, mode="replicate")


def patch_starts(length: int, patch: int, stride: int) -> list[int]:
    """Where patches start along one side: 0, stride, 2 stride ... while they fit, then flush.

    The last patch always ends at `length`, so that every pixel is covered; the published grid
    stops short of the edge unless length - patch is a multiple of stride, and is the same where it
    is. Raises ValueError unless 1 <= stride <= patch <= length.
    """
    if not 1 <= stride <= patch <= length:
        raise ValueError(
            f"1 <= stride <= patch <= side is needed, not stride {stride}, patch {patch}, "
            f"side {length}"
        )
    last = length - patch
    return sorted({*range(0, last, stride), last})


def patch_mean(
    evaluate: Callable[[Tensor], Tensor], x: Tensor, patch: int, stride: int, batch: int
) -> Tensor:
    """Evaluate a network on overlapping patches; each pixel is the mean of the patches over it.

    evaluate maps (N, C, patch, patch) to (N, D, patch, patch); x is (B, C, H, W), the result
    (B, D, H, W). At most `batch` patches, of whichever images, are evaluated at once: memory does
    not grow with their number, and the result depends on it by rounding alone. Raises ValueError as
    `patch_starts`, and if batch < 1.
    """
    if batch < 1:
        raise ValueError(f"batch must be at least 1, not {batch}")
    height, width = x.shape[-2:]
    tops, lefts = patch_starts(height, patch, stride), patch_starts(width, patch, stride)
    places = list(itertools.product(range(len(x)), tops, lefts))
    total = None
    for first in range(0, len(places), batch):
        chosen = [
            (image, slice(None), slice(top, top + patch), slice(left, left + patch))
            for image, top, left in places[first : first + batch]
        ]
        parts = evaluate(torch.stack([x[place] for place in chosen]))
        if total is None:
            total = parts.new_zeros(len(x), parts.shape[1], height, width)
        for place, part in zip(chosen, parts, strict=True):
            total[place] += part
    covered = _covered(height, tops, patch)[:, None] * _covered(width, lefts, patch)
    return total / covered.to(total)


def _covered(length: int, starts: list[int], patch: int) -> Tensor:
    """By how many patches each pixel along one side is covered."""
    count = torch.zeros(length)
    for start in starts:
        count[start : start + patch] += 1
    return count
