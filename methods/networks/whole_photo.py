"""Tiles that follow the whole photo: one pass at low resolution decides where it is how bright.

A network that sees one tile decides by that tile alone how much of the light is haze. Its neighbour
decides otherwise, and a step in brightness stands between them. So the photo is also reduced and
restored whole, and each tile is matched to that before the tiles are blended: a guided filter finds
smooth maps ā, b̄ at low resolution for which tile + ā tile + b̄ is closest to the whole photo's
restoration; they are enlarged (He and Sun, "Fast Guided Filter", arXiv:1505.00996, 2015). The tile
itself is the guide, so its edges stay where they are and get no halos. Detail, and what was removed
from it, are the tile's.

The photo's mean colour stays that of the tiles (`any_size.tiled` takes the mean of all changes
back). In a reduced photo fine rain and snow are a veil of grey, which is less surely removed.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.core.guided_filter import guided_coefficients

RADIUS = 4  # of the guided filter's windows, in pixels of the reduced photo
EPS = 1e-3  # of the guided filter; contrast far below √EPS = 8 levels of 255 stays the tile's


def reduce(x: Tensor, factor: int) -> Tensor:
    """Means of factor × factor pixels: (B, C, H, W) to (B, C, ⌈H / factor⌉, ⌈W / factor⌉).

    Blocks at the right and lower border have the pixels that are left.
    """
    return F.avg_pool2d(x, factor, ceil_mode=True, count_include_pad=False)


@dataclass(frozen=True)
class WholePhoto:
    """The whole photo's restoration at low resolution.

    restored: (B, 3, h, w), of the photo of `size` = (height, width) that `reduce` made smaller by
    `factor`. scale: the length of its range, 1 for [0, 1] and 2 for [-1, 1].
    """

    restored: Tensor
    size: tuple[int, int]
    factor: int
    scale: float = 1.0

    def match(self, tile: Tensor, top: int, left: int) -> Tensor:
        """A restored tile (B, 3, H, W), matched to the whole photo where it lies.

        top, left: its first pixel in the photo. The tile must hold at least one whole block of the
        photo. Returns the same shape.
        """
        rows, columns = (
            self._blocks(start, length, total)
            for start, length, total in zip((top, left), tile.shape[-2:], self.size, strict=True)
        )
        small = reduce(tile[..., rows.pixels, columns.pixels], self.factor)
        wanted = self.restored[..., rows.blocks, columns.blocks].to(small)
        maps = torch.cat(_affine(small, wanted - small, EPS * self.scale**2), dim=1)
        maps = F.interpolate(maps, scale_factor=float(self.factor), mode="bilinear")
        maps = maps[..., : rows.length, : columns.length]
        maps = F.pad(maps, (*columns.outside, *rows.outside), mode="replicate")
        slope, offset = maps.chunk(2, dim=1)
        return torch.addcmul(tile, slope, tile).add_(offset)

    def _blocks(self, start: int, length: int, total: int) -> "_Blocks":
        """The blocks that lie whole in a tile; the photo's last one may be smaller than others."""
        end = start + length
        first = -(-start // self.factor)
        last = -(-end // self.factor) if end == total else end // self.factor
        inner = (first * self.factor - start, min(last * self.factor, end) - start)
        return _Blocks(slice(first, last), slice(*inner), (inner[0], length - inner[1]))


@dataclass(frozen=True)
class _Blocks:
    """Along one side of a tile: its whole blocks in the photo, their pixels in the tile, and how
    many pixels of the tile lie before and behind them."""

    blocks: slice
    pixels: slice
    outside: tuple[int, int]

    @property
    def length(self) -> int:
        return self.pixels.stop - self.pixels.start


def _affine(guide: Tensor, source: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """ā and b̄ of the guided filter, for each image and channel alone: (B, 3, h, w) each.

    They count as constants where gradients are taken.
    """
    planes = (x.detach().flatten(0, 1).double().cpu().numpy() for x in (guide, source))
    pairs = zip(*planes, strict=True)
    found = [guided_coefficients(one, other, RADIUS, eps) for one, other in pairs]
    return tuple(
        torch.from_numpy(np.stack(maps)).reshape(guide.shape).to(guide)
        for maps in zip(*found, strict=True)
    )
