"""Memory that sampling takes beside the image's own buffers, for a large and a small image."""

import torch

from benchmark.core.memory import PeakMemory
from benchmark.core.seeds import torch_generator
from benchmark.core.validation import parse
from benchmark.spec.method import LearnedMethod


def memory_ratio(method: LearnedMethod, sides: tuple[int, int]) -> float:
    """Peak bytes for a square image of the second side over those for one of the first side.

    sides: in pixels. Tensors as large as the image are not counted. Tiles are so small that both
    images have several. Raises UserError if the method's variants have no `tile` and `overlap`.
    """
    small, large = (_peak_beside_image(method, side, tile=sides[0] // 4) for side in sides)
    return large / small


def _peak_beside_image(method: LearnedMethod, side: int, tile: int) -> int:
    tiles = {"tile": tile, "overlap": tile // 8}
    variant = parse(method.Variant, tiles, "the variant for sampling_memory_ratio")
    degraded = torch.full((1, 3, side, side), 0.5, device=method.device)
    with torch.inference_mode(), _BesideImage(side * side) as memory:
        method.restore(degraded, variant, [torch_generator("profile")])
    return memory.peak


class _BesideImage(PeakMemory):
    """Counts only tensors with less than one float32 value for each pixel of the image."""

    def __init__(self, pixels: int):
        super().__init__()
        self.pixels = pixels

    def _add(self, storage: torch.UntypedStorage) -> None:
        if storage.nbytes() < 4 * self.pixels:
            super()._add(storage)
