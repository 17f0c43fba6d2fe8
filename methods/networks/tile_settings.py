"""Settings of a variant for images larger than one tile."""

from collections.abc import Callable

import torch
from pydantic import Field, model_validator
from torch import Tensor

from benchmark import Settings
from methods.networks.any_size import tiled
from methods.networks.memory import tile_for


class TileSettings(Settings):
    """tile, overlap: the largest square evaluated at once and the overlap of tiles, in pixels;
    tile_batch: tiles evaluated at once; memory: GiB that an evaluation may take, without the images
    themselves; tiles that need more become smaller."""

    tile: int = Field(default=768, ge=16)
    overlap: int = Field(default=64, ge=0)
    tile_batch: int = Field(default=1, ge=1)
    memory: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _overlap_fits(self) -> "TileSettings":
        if self.overlap >= self.tile:
            raise ValueError(f"overlap: must be below tile = {self.tile}, not {self.overlap}")
        return self

    def evaluate(self, network: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """network(x) for x (B, C, H, W), in tiles if x is larger than one; see `tiled`."""
        tile, overlap, batch = self.tiles(network, x.shape[1], x)
        return tiled(network, x, tile, overlap, batch=batch)

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
