"""Images of any size through a network: padding for the small, tiles for the large."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Repeat the last row and column of (B, C, H, W) until H and W are multiples of `multiple`.

    Repeating works for any H, W >= 1; reflection needs more pixels than small images have.
    """
    height, width = x.shape[-2:]
    return F.pad(x, (0, -width % multiple, 0, -height % multiple), mode="replicate")


def tiled(
    evaluate: Callable[..., Tensor],
    x: Tensor | tuple[Tensor, ...],
    tile: int,
    overlap: int,
    shift: tuple[int, int] = (0, 0),
    batch: int = 1,
    adjust: Callable[[Tensor, int, int], Tensor] | None = None,
) -> Tensor:
    """Evaluate a network on overlapping tiles and blend them; every pixel is covered.

    evaluate maps (B, C, h, w) to (B, D, h, w); x is (B, C, H, W), or a tuple of such tensors with
    equal B, H, W, whose tiles are then the arguments of evaluate. An image that fits in one tile is
    evaluated whole. Tiles are `tile` pixels square (less where the image is smaller), overlap by
    at least `overlap` pixels, and are blended with weights that fall linearly towards the tile's
    edge. `batch` tiles are evaluated at once, stacked along B.

    shift moves the grid of tiles up and left by this number of pixels (modulo tile - overlap).
    Tiles that would reach beyond the image are moved back inside, so that all have the same size.
    At (0, 0) tiles are spread evenly. With `grid_shift` the seams of a sampler's steps lie in
    different places.

    adjust(part, top, left) changes the result of a tile before it is blended; (top, left) is its
    first pixel in the image. What it changes on average over the image, in each channel, is taken
    back at the end. An image that fits in one tile is not adjusted.

    Beside the result, no buffer is as large as the image. Raises ValueError unless
    0 <= overlap < tile and batch >= 1, and for tensors that differ in size.
    """
    if not 0 <= overlap < tile:
        raise ValueError(f"overlap must lie in [0, tile), not overlap {overlap}, tile {tile}")
    if batch < 1:
        raise ValueError(f"batch must be at least 1, not {batch}")
    tensors = x if isinstance(x, tuple) else (x,)
    height, width = tensors[0].shape[-2:]
    if any(t.shape[-2:] != (height, width) for t in tensors):
        raise ValueError(f"tensors differ in size: {[tuple(t.shape) for t in tensors]}")
    if height <= tile and width <= tile:
        return evaluate(*tensors)
    rows, columns = (
        _grid(length, min(tile, length), overlap, moved, tensors[0].device)
        for length, moved in zip((height, width), shift, strict=True)
    )
    places = list(itertools.product(rows, columns))
    blended, mean = None, 0.0
    for i in range(0, len(places), batch):
        some = places[i : i + batch]
        parts = evaluate(*(_stack(t, some) for t in tensors))
        for place, part in zip(some, parts.chunk(len(some)), strict=True):
            weight = _weight(place).to(tensors[0])
            if adjust is not None:
                mean = mean + (part * weight).sum(dim=(-2, -1), keepdim=True) / (height * width)
                part = adjust(part, *(span.start for span in place))
            part = part * weight
            if blended is None:
                blended = part.new_zeros(*part.shape[:2], height, width)
            _window(blended, place).add_(part)
        del parts, part  # they would stay in memory while the next tiles are evaluated
    if adjust is not None:
        blended.add_(mean - blended.mean(dim=(-2, -1), keepdim=True))
    return blended


def grid_shift(step: int, tile: int, overlap: int) -> tuple[int, int]:
    """Shift in pixels (up, left) of the tiles of `tiled` at a sampler's step 0, 1, ...

    The Halton sequence in bases 2 and 3 (Halton, 1960), which fills the square evenly for any
    number of steps; step 0 is (0, 0). Raises ValueError unless step >= 0 and 0 <= overlap < tile.
    """
    if step < 0 or not 0 <= overlap < tile:
        raise ValueError(f"no shift for step {step}, tile {tile}, overlap {overlap}")
    return tuple((tile - overlap) * n // d for n, d in (_mirror(step, 2), _mirror(step, 3)))


def _mirror(number: int, base: int) -> tuple[int, int]:
    """Radical inverse as a fraction: digits mirrored at the point, 6 = 110 (base 2) to 0.011."""
    numerator, denominator = 0, 1
    while number:
        number, digit = divmod(number, base)
        numerator, denominator = numerator * base + digit, denominator * base
    return numerator, denominator


@dataclass(frozen=True)
class _Span:
    """Rows (or columns) of a tile: the first one, and the weights of all in the result."""

    start: int
    weights: Tensor


def _grid(length: int, tile: int, overlap: int, shift: int, device: torch.device) -> list[_Span]:
    """Tiles along one side: evenly spread, or a grid that is shifted towards 0.

    A tile of the shifted grid that reaches beyond the image is moved back inside. Its weights stay
    where they were, so that its inner edge is where the grid has it. The weights of all tiles at a
    pixel sum to 1; so do the products of the weights of rows and columns.
    """
    last, stride = length - tile, tile - overlap
    if last <= 0:
        places = [0]
    elif shift % stride:
        places = range(-(shift % stride), length - overlap, stride)
    else:
        count = -(-(length - overlap) // stride)
        places = [round(i * last / (count - 1)) for i in range(count)]
    starts = [min(max(place, 0), last) for place in places]
    ramps = [
        _ramp(tile, overlap, start - place) for start, place in zip(starts, places, strict=True)
    ]
    total = torch.zeros(length)
    for start, ramp in zip(starts, ramps, strict=True):
        total[start : start + tile] += ramp
    return [
        _Span(start, (ramp / total[start : start + tile]).to(device))
        for start, ramp in zip(starts, ramps, strict=True)
    ]


def _ramp(tile: int, overlap: int, skipped: int) -> Tensor:
    """Weights across a tile: 1 inside, falling linearly over `overlap` pixels at both ends, > 0.

    The first weight is that of pixel `skipped` of the tile; weights beyond the tile's end are 0.
    """
    pixels = torch.arange(skipped, skipped + tile)
    distance = torch.minimum(pixels + 1, tile - pixels).clamp(min=0)
    return (distance / (overlap + 1)).clamp(max=1)


def _window(x: Tensor, place: tuple[_Span, _Span]) -> Tensor:
    """The pixels of x (..., H, W) under a tile, as a view."""
    rows, columns = (slice(span.start, span.start + len(span.weights)) for span in place)
    return x[..., rows, columns]


def _weight(place: tuple[_Span, _Span]) -> Tensor:
    return place[0].weights[:, None] * place[1].weights[None, :]


def _stack(x: Tensor, places: list[tuple[_Span, _Span]]) -> Tensor:
    """The tiles of x (B, C, H, W) at some places: (len(places) * B, C, h, w)."""
    return torch.cat([_window(x, place) for place in places])
