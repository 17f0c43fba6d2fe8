"""Images of any size through a network: padding for the small, tiles for the large."""

import itertools
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Repeat the last row and column until H and W are multiples of `multiple`.

    Repeating works from 1×1 on, where reflection would need more pixels than there are.
    """
    height, width = x.shape[-2:]
    return F.pad(x, (0, -width % multiple, 0, -height % multiple), mode="replicate")


def tiled(evaluate: Callable[[Tensor], Tensor], x: Tensor, tile: int, overlap: int) -> Tensor:
    """Evaluate a network on overlapping tiles and blend them; every pixel is covered.

    evaluate maps (B, C, h, w) to (B, D, h, w); x is (B, C, H, W). An image no larger than one tile
    is evaluated whole. Tiles are `tile` pixels square (less where the image is smaller), overlap by
    at least `overlap` pixels, and are blended with weights that fall linearly towards the tile's
    edge. Raises ValueError unless 0 <= overlap < tile.
    """
    if not 0 <= overlap < tile:
        raise ValueError(f"overlap must lie in [0, tile), not overlap {overlap}, tile {tile}")
    height, width = x.shape[-2:]
    if height <= tile and width <= tile:
        return evaluate(x)
    h, w = min(tile, height), min(tile, width)
    weight = (_ramp(h, overlap)[:, None] * _ramp(w, overlap)[None, :]).to(x)
    total = weighted = None
    for top, left in itertools.product(_starts(height, h, overlap), _starts(width, w, overlap)):
        part = evaluate(x[..., top : top + h, left : left + w]) * weight
        if weighted is None:
            weighted = part.new_zeros(*part.shape[:2], height, width)
            total = weight.new_zeros(height, width)
        weighted[..., top : top + h, left : left + w] += part
        total[top : top + h, left : left + w] += weight
    return weighted / total


def _starts(length: int, tile: int, overlap: int) -> list[int]:
    """Where tiles start: evenly spread, the first at 0, the last ending at `length`."""
    if length <= tile:
        return [0]
    count = -(-(length - overlap) // (tile - overlap))
    return [round(i * (length - tile) / (count - 1)) for i in range(count)]


def _ramp(length: int, overlap: int) -> Tensor:
    """Weights across a tile: 1 inside, falling linearly over `overlap` pixels at both ends, > 0."""
    distance = torch.minimum(torch.arange(1, length + 1), torch.arange(length, 0, -1))
    return (distance / (overlap + 1)).clamp(max=1)
