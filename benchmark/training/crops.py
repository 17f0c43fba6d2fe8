"""Training pairs: made from clean photographs, or cut from the pairs of a data set.

A pair is a function of (seed, crop, index) only; the number of loader processes does not matter.
"""

from collections.abc import Sequence
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
from benchmark.spec.training_settings import DECODED_BYTES
from benchmark.training.decoded import decode
from benchmark.weather import TRAINING_VERSION, WEATHERS, training_pair

# Clean photographs, or pairs (input, target).
Source = Sequence[Path] | Sequence[tuple[Path, Path]]


def crops(
    source: Source,
    crop: int,
    seed: int,
    first: int,
    count: int,
    weathers: Sequence[str] = WEATHERS,
    decoded_bytes: int = DECODED_BYTES,
) -> Dataset:
    """Training pairs `first` to `first + count - 1`.

    crop: side in pixels. weathers: kinds to draw from, if pairs are made from photographs.
    decoded_bytes: of images that are decoded once (`training.decoded`); the others are decoded at
    each use. An item is (clean, degraded), both float32 (3, crop, crop) in [0, 1]. Raises UserError
    if the source is empty.
    """
    if not source:
        raise UserError("There is no training photograph. Run 'dvc pull' and try again.")
    if isinstance(source[0], Path):
        return TrainingPairs(source, crop, seed, first, count, weathers, decoded_bytes)
    return PairedCrops(source, crop, seed, first, count, decoded_bytes)


def simulation_version(source: Source) -> int | None:
    """The version of the simulated weather of the pairs; None if they are a data set's own."""
    return TRAINING_VERSION if isinstance(source[0], Path) else None


class TrainingPairs(Dataset):
    """Pairs made from clean photographs at each use; pair i is a function of (seed, crop, i) only.

    weathers: kinds to draw from. An item is (clean, degraded), both float32 (3, crop, crop) in
    [0, 1]. decoded_bytes: see `crops`.
    """

    def __init__(
        self,
        photos: Sequence[Path],
        crop: int,
        seed: int,
        first: int,
        count: int,
        weathers: Sequence[str] = WEATHERS,
        decoded_bytes: int = DECODED_BYTES,
    ):
        self.photos, self.decoded = photos, decode(photos, decoded_bytes)
        self.crop, self.seed, self.first, self.count = crop, seed, first, count
        self.weathers = weathers

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        rng = numpy_generator("training pair", self.seed, self.crop, self.first + index)
        number = int(rng.integers(len(self.photos)))
        kept = number < len(self.decoded)
        photo = self.decoded[number] if kept else read_image(self.photos[number])
        pair = training_pair(photo, self.crop, rng, self.weathers)
        return tuple(torch.from_numpy(image).permute(2, 0, 1).contiguous() for image in pair)


class PairedCrops(Dataset):
    """The same square of an input and its target, at a random place, flipped at random.

    Memory does not grow with the data set. decoded_bytes: see `crops`. An image that is smaller
    than the crop is extended by its mirror image. An item is (clean, degraded), both float32
    (3, crop, crop) in [0, 1]. Raises UserError, naming both files, if their sizes differ.
    """

    def __init__(
        self,
        pairs: Sequence[tuple[Path, Path]],
        crop: int,
        seed: int,
        first: int,
        count: int,
        decoded_bytes: int = DECODED_BYTES,
    ):
        self.pairs, self.crop = pairs, crop
        self.decoded = decode([file for pair in pairs for file in pair], decoded_bytes)
        self.seed, self.first, self.count = seed, first, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        rng = numpy_generator("paired crop", self.seed, self.crop, self.first + index)
        number = int(rng.integers(len(self.pairs)))
        degraded, clean = (self._image(2 * number + role) for role in (0, 1))
        (height, width), other = _size(clean), _size(degraded)
        if other != (height, width):
            input_file, target_file = self.pairs[number]
            sizes = [f"{w}×{h}" for h, w in (other, (height, width))]
            raise UserError(
                f"The sizes of a training pair differ: {shown(input_file)} is {sizes[0]}, "
                f"{shown(target_file)} is {sizes[1]}. Remove the pair from the set, or correct it."
            )
        top = int(rng.integers(max(height - self.crop, 0) + 1))
        left = int(rng.integers(max(width - self.crop, 0) + 1))
        flip = bool(rng.random() < 0.5)
        return tuple(self._cut(image, top, left, flip) for image in (clean, degraded))

    def _image(self, number: int) -> np.ndarray | Image.Image:
        """An image of the pairs; only of a Pillow image is the crop all that becomes an array."""
        if number < len(self.decoded):
            return self.decoded[number]
        return open_image(self.pairs[number // 2][number % 2])

    def _cut(self, image: np.ndarray | Image.Image, top: int, left: int, flip: bool) -> Tensor:
        """The crop of one image, float32 (3, crop, crop) in [0, 1]."""
        height, width = _size(image)
        right, bottom = min(left + self.crop, width), min(top + self.crop, height)
        if isinstance(image, np.ndarray):
            view = image[top:bottom, left:right]
        else:
            view = np.asarray(image.crop((left, top, right, bottom)))
        missing = [(0, self.crop - side) for side in view.shape[:2]]
        if any(after for _, after in missing):
            view = np.pad(view, [*missing, (0, 0)], mode="symmetric")
        view = view[:, ::-1] if flip else view
        return torch.from_numpy(to_float(np.ascontiguousarray(view))).permute(2, 0, 1).contiguous()


def _size(image: np.ndarray | Image.Image) -> tuple[int, int]:
    """Height and width."""
    return image.shape[:2] if isinstance(image, np.ndarray) else (image.height, image.width)
