"""Sampling as published by Özdenizci and Legenstein (2023, algorithm 2): patches and times.

At every step of the sampler, the network sees a grid of overlapping square patches of the image.
The prediction for a pixel is the mean over all patches that cover the pixel.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class PatchPrediction:
    """A sampler's network, evaluated on overlapping patches.

    predict: (condition, x_t, times) -> prediction, for (N, 3, patch, patch) tensors and (N,) times.
    condition: (B, 3, H, W) with H, W >= patch. A call takes x_t (B, 3, H, W) and one time for all
    images, and returns the mean of the predictions, (B, 3, H, W).
    """

    predict: Callable[[Tensor, Tensor, Tensor], Tensor]
    condition: Tensor
    patch: int
    stride: int
    batch: int

    def __call__(self, x_t: Tensor, t: int) -> Tensor:
        def evaluate(patches: Tensor) -> Tensor:
            condition, x = patches.split(3, dim=1)
            return self.predict(condition, x, torch.full((len(x),), t, device=x.device))

        inputs = torch.cat([self.condition, x_t], dim=1)
        return patch_mean(evaluate, inputs, self.patch, self.stride, self.batch)


def published_timesteps(T: int, steps: int) -> list[int]:
    """T - T / steps + 1, ..., 1 + T / steps, 1: the published times, counted from 1 as here.

    At the first time a little of the image is left. Published sampling starts from noise alone all
    the same. Raises ValueError unless `steps` divides T.
    """
    if not 1 <= steps <= T or T % steps:
        raise ValueError(f"steps must divide T = {T}, not be {steps}")
    return [index + 1 for index in reversed(range(0, T, T // steps))]


def pad_to_patch(x: Tensor, patch: int) -> Tensor:
    """Repeat the last row and column of (B, C, H, W) until H, W >= patch; H, W >= 1."""
    height, width = x.shape[-2:]
    padding = (0, max(patch - width, 0), 0, max(patch - height, 0))
    return F.pad(x, padding, mode="replicate")


def patch_starts(length: int, patch: int, stride: int) -> list[int]:
    """The first pixel of each patch along one side: 0, stride, 2 stride ... and length - patch.

    The last patch always ends at `length`, so every pixel is covered. The published grid is the
    same if length - patch is a multiple of stride; otherwise it does not reach the edge. Raises
    ValueError unless 1 <= stride <= patch <= length.
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
    (B, D, H, W). At most `batch` patches are evaluated at once; they may come from several images.
    So memory does not grow with the number of patches. Another `batch` changes the result by
    rounding only. Raises ValueError as `patch_starts`, and if batch < 1.
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
    """The number of patches that cover each pixel along one side, (length,)."""
    count = torch.zeros(length)
    for start in starts:
        count[start : start + patch] += 1
    return count
