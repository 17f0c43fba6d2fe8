"""Training pairs: made from clean photographs, or cut from the pairs of a data set.

A pair is a function of (seed, crop, index) only; the number of loader processes does not matter.
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
from benchmark.weather import TRAINING_VERSION, WEATHERS, training_pair

DECODED_BYTES = 2 * 2**30  # of photographs kept decoded in memory; others are read at each use

# Clean photographs, or pairs (input, target).
Source = Sequence[Path] | Sequence[tuple[Path, Path]]


def crops(
    source: Source,
    crop: int,
    seed: int,
    first: int,
    count: int,
    weathers: Sequence[str] = WEATHERS,
) -> Dataset:
    """Training pairs `first` to `first + count - 1`.

    crop: side in pixels. weathers: kinds to draw from, if pairs are made from photographs. An item
    is (clean, degraded), both float32 (3, crop, crop) in [0, 1]. Raises UserError if the source is
    empty.
    """
    if not source:
        raise UserError("There is no training photograph. Run 'dvc pull' and try again.")
    if isinstance(source[0], Path):
        return TrainingPairs(source, crop, seed, first, count, weathers)
    return PairedCrops(source, crop, seed, first, count)


def simulation_version(source: Source) -> int | None:
    """The version of the simulated weather of the pairs; None if they are a data set's own."""
    return TRAINING_VERSION if isinstance(source[0], Path) else None


class TrainingPairs(Dataset):
    """Pairs made from clean photographs at each use; pair i is a function of (seed, crop, i) only.

    weathers: kinds to draw from. An item is (clean, degraded), both float32 (3, crop, crop) in
    [0, 1]. Up to DECODED_BYTES of photographs are kept decoded; all stages and loader processes
    share them.
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
        self.photos = _decoded(files, DECODED_BYTES)
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
    """The same square of an input and its target, at a random place, flipped at random.

    Files are read at each use, so memory does not grow with the data set. An image that is smaller
    than the crop is extended by its mirror image. An item is (clean, degraded), both float32
    (3, crop, crop) in [0, 1]. Raises UserError, naming both files, if their sizes differ.
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
        input_file, target_file = self.pairs[rng.integers(len(self.pairs))]
        degraded, clean = open_image(input_file), open_image(target_file)
        if degraded.size != clean.size:
            sizes = [f"{image.width}×{image.height}" for image in (degraded, clean)]
            raise UserError(
                f"The sizes of a training pair differ: {shown(input_file)} is {sizes[0]}, "
                f"{shown(target_file)} is {sizes[1]}. Remove the pair from the set, or correct it."
            )
        top = int(rng.integers(max(clean.height - self.crop, 0) + 1))
        left = int(rng.integers(max(clean.width - self.crop, 0) + 1))
        flip = bool(rng.random() < 0.5)
        return tuple(self._cut(image, top, left, flip) for image in (clean, degraded))

    def _cut(self, image: Image.Image, top: int, left: int, flip: bool) -> Tensor:
        """The crop of one image, float32 (3, crop, crop) in [0, 1]."""
        right, bottom = min(left + self.crop, image.width), min(top + self.crop, image.height)
        view = np.asarray(image.crop((left, top, right, bottom)))
        missing = [(0, self.crop - side) for side in view.shape[:2]]
        if any(after for _, after in missing):
            view = np.pad(view, [*missing, (0, 0)], mode="symmetric")
        view = view[:, ::-1] if flip else view
        return torch.from_numpy(to_float(np.ascontiguousarray(view))).permute(2, 0, 1).contiguous()


@lru_cache(maxsize=1)
def _decoded(files: Sequence[tuple[Path, int]], most: int) -> list[np.ndarray | Path]:
    """Photographs, decoded until they take `most` bytes; the paths of the others.

    files: path and modification time of each; the time makes an edited file be read again.
    """
    photos, size = [], 0
    for path, _ in files:
        photo = read_image(path) if size < most else path
        size += getattr(photo, "nbytes", 0)
        photos.append(photo)
    return photos
