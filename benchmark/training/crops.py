"""What a training sees: pairs made from clean photographs, or pairs of a data set read from disk.

A pair is a function of (seed, crop, index) alone, whatever the number of loader processes.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from benchmark.core.errors import UserError
from benchmark.core.image_io import open_image, read_image, to_float
from benchmark.core.paths import shown
from benchmark.core.seeds import numpy_generator
from benchmark.weather import WEATHERS, training_pair

HELD_BYTES = 2 * 2**30  # of photographs that are kept decoded; the others are read when drawn

# Clean photographs to make pairs from, or pairs as (input, target).
Source = Sequence[Path] | Sequence[tuple[Path, Path]]


def crops(
    source: Source,
    crop: int,
    seed: int,
    first: int,
    count: int,
    weathers: Sequence[str] = WEATHERS,
) -> Dataset:
    """The pairs `first` to `first + count` of a training, (clean, degraded) float32
    (3, crop, crop) in [0, 1]. Raises UserError if there is nothing to train on."""
    if not source:
        raise UserError("There is no training photograph. Run 'dvc pull' and try again.")
    if isinstance(source[0], Path):
        return TrainingPairs(source, crop, seed, first, count, weathers)
    return PairedCrops(source, crop, seed, first, count)


class TrainingPairs(Dataset):
    """Pairs made on the fly from clean photographs; pair i is a function of (seed, crop, i) alone.

    An item is (clean, degraded), float32 (3, crop, crop) in [0, 1]; weathers: the kinds drawn from.
    Photographs are kept decoded up to HELD_BYTES, for all stages; loader processes share them.
    """

    def __init__(
        self,
        photos: Sequence[Path],
        crop: int,
        seed: int,
        first: int,
        count: int,
        weathers: Sequence[str] = WEATHERS,
    ):
        files = tuple((path, path.stat().st_mtime_ns) for path in photos)
        self.photos = _held(files, HELD_BYTES)
        self.crop, self.seed, self.first, self.count = crop, seed, first, count
        self.weathers = weathers

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        rng = numpy_generator("training pair", self.seed, self.crop, self.first + index)
        photo = self.photos[rng.integers(len(self.photos))]
        photo = read_image(photo) if isinstance(photo, Path) else photo
        pair = training_pair(photo, self.crop, rng, self.weathers)
        return tuple(torch.from_numpy(image).permute(2, 0, 1).contiguous() for image in pair)


class PairedCrops(Dataset):
    """The same square of an input and its target, at a random place and flipped at random.

    Files are read when they are asked for: memory holds one pair, whatever the size of the set. An
    image smaller than the crop is continued by its mirror image. An item is (clean, degraded) like
    those of TrainingPairs. Raises UserError, naming both files, if their sizes differ.
    """

    def __init__(
        self, pairs: Sequence[tuple[Path, Path]], crop: int, seed: int, first: int, count: int
    ):
        self.pairs, self.crop = pairs, crop
        self.seed, self.first, self.count = seed, first, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        rng = numpy_generator("paired crop", self.seed, self.crop, self.first + index)
        source, target = self.pairs[rng.integers(len(self.pairs))]
        degraded, clean = open_image(source), open_image(target)
        if degraded.size != clean.size:
            sizes = [f"{image.width}×{image.height}" for image in (degraded, clean)]
            raise UserError(
                f"A training pair differs in size: {shown(source)} is {sizes[0]}, "
                f"{shown(target)} is {sizes[1]}. Take it out of the set, or correct it."
            )
        top = int(rng.integers(max(clean.height - self.crop, 0) + 1))
        left = int(rng.integers(max(clean.width - self.crop, 0) + 1))
        flip = bool(rng.random() < 0.5)
        return tuple(self._cut(image, top, left, flip) for image in (clean, degraded))

    def _cut(self, image: Image.Image, top: int, left: int, flip: bool) -> Tensor:
        """The crop of one image as float32 (3, crop, crop)."""
        right, bottom = min(left + self.crop, image.width), min(top + self.crop, image.height)
        view = np.asarray(image.crop((left, top, right, bottom)))
        missing = [(0, self.crop - side) for side in view.shape[:2]]
        if any(after for _, after in missing):
            view = np.pad(view, [*missing, (0, 0)], mode="symmetric")
        view = view[:, ::-1] if flip else view
        return torch.from_numpy(to_float(np.ascontiguousarray(view))).permute(2, 0, 1).contiguous()


@lru_cache(maxsize=1)
def _held(files: Sequence[tuple[Path, int]], most: int) -> list[np.ndarray | Path]:
    """The first photographs, decoded, up to `most` bytes; of the others the paths.

    files: path and time of change of each.
    """
    held, size = [], 0
    for path, _ in files:
        photo = read_image(path) if size < most else path
        size += getattr(photo, "nbytes", 0)
        held.append(photo)
    return held
