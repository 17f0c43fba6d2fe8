"""Settings of a variant for images larger than one tile."""

from collections.abc import Callable

import torch
from pydantic import Field, model_validator
from torch import Tensor

from benchmark import Settings
from methods.networks.any_size import tiled
from methods.networks.memory import tile_for
from methods.networks.whole_photo import WholePhoto, reduce


class TileSettings(Settings):
    """tile, overlap: the largest square evaluated at once and the overlap of tiles, in pixels;
    tile_batch: tiles evaluated at once; memory: GiB that an evaluation may take, without the images
    themselves; tiles that need more become smaller. context: the long side, in pixels, to which a
    photo larger than a tile is reduced to be restored whole, at most a tile; the tiles follow that
    result (`whole_photo`). With 0 each tile decides alone how bright it becomes."""

    tile: int = Field(default=768, ge=16)
    overlap: int = Field(default=64, ge=0)
    tile_batch: int = Field(default=1, ge=1)
    memory: float | None = Field(default=None, gt=0)
    context: int = Field(default=512, ge=0)

    @model_validator(mode="after")
    def _overlap_fits(self) -> "TileSettings":
        if self.overlap >= self.tile:
            raise ValueError(f"overlap: must be below tile = {self.tile}, not {self.overlap}")
        return self

    def evaluate(self, network: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """network(x) for x (B, C, H, W), in tiles if x is larger than one; see `tiled`."""
        tile, overlap, batch = self.tiles(network, x.shape[1], x)
        return tiled(network, x, tile, overlap, batch=batch)

    def restore(
        self, predict: Callable[[Tensor], Tensor], images: Tensor, scale: float = 1
    ) -> Tensor:
        """predict(images), the restored images, in tiles that follow the whole photo.

        images: (B, 3, H, W) in a range of the length `scale`: 1 for [0, 1], 2 for [-1, 1]. An image
        that fits in one tile is predicted whole.
        """
        tile, overlap, batch = self.tiles(predict, images.shape[1], images)
        photo = self.whole_photo(
            lambda small: self.restore(predict, small, scale), images, tile, scale
        )
        return tiled(predict, images, tile, overlap, batch=batch, adjust=photo and photo.match)

    def whole_photo(
        self, restore: Callable[[Tensor], Tensor], images: Tensor, tile: int, scale: float = 1
    ) -> WholePhoto | None:
        """restore(images) at low resolution, for tiles to follow; None if they need not.

        images: (B, 3, H, W); they need not if one tile holds them, or without `context`. scale: as
        for `restore`. A tile has at least eight pixels of the low resolution along its side, so
        that the reduced photo may be larger than a tile, and follow a smaller one itself.
        """
        size = tuple(images.shape[-2:])
        if max(size) <= tile or not self.context:
            return None
        factor = min(-(-max(size) // min(self.context, tile)), tile // 8)
        return WholePhoto(restore(reduce(images, factor)), size, factor, scale)

    def tiles(
        self, evaluate: Callable[..., Tensor], channels: int | tuple[int, ...], like: Tensor
    ) -> tuple[int, int, int]:
        """Tile, overlap and batch for `tiled(evaluate, …)` of inputs with these channels.

        like: the image, (B, C, H, W), for its size and device; tiles larger than the image are not
        tried. Raises ValueError if not even a tile of 64 pixels fits into `memory`.
        """
        tile = min(self.tile, 64 * -(-max(like.shape[-2:]) // 64))
        if self.memory is not None:
            limit, device = int(self.memory * 2**30), torch.device(like.device).type
            tile = tile_for(
                evaluate, channels, limit, batch=len(like) * self.tile_batch,
                multiple=min(64, tile), largest=tile,
                device=device,
            )  # fmt: skip
        overlap = self.overlap if tile == self.tile else min(self.overlap, tile // 4)
        return tile, overlap, self.tile_batch
