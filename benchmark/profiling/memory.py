"""Memory of sampling beyond the image's own buffers, for a large and a small image."""

import torch

from benchmark.core.seeds import torch_generator
from benchmark.spec.method import LearnedMethod
from methods.networks.memory import PeakMemory


def memory_ratio(method: LearnedMethod, sides: tuple[int, int]) -> float:
    """Peak bytes of a square image of the second side over those of the first, tensors as large as
    the image not counted. Tiles are set so small that both images have several."""
    small, large = (_peak_beyond_image(method, side, tile=sides[0] // 4) for side in sides)
    return large / small


def _peak_beyond_image(method: LearnedMethod, side: int, tile: int) -> int:
    variant = method.Variant(tile=tile, overlap=tile // 8)
    degraded = torch.full((1, 3, side, side), 0.5, device=method.device)
    with torch.inference_mode(), _BeyondImage(side * side) as memory:
        method.restore(degraded, variant, [torch_generator("profile")])
    return memory.peak


class _BeyondImage(PeakMemory):
    """Does not count tensors of at least one value a pixel of the image."""

    def __init__(self, pixels: int):
        super().__init__()
        self.pixels = pixels

    def _add(self, storage: torch.UntypedStorage) -> None:
        if storage.nbytes() < 4 * self.pixels:
            super()._add(storage)
