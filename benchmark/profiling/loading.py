"""Training pairs that one loader process makes, and that training steps take, in the same time.

Pairs are made here from clean photographs, or read from files: of 720×480 pixels, a common size in
public sets, cut from the same photographs.
"""

import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import torch
from PIL import Image
from torch.utils.data import default_collate

from benchmark.core import device
from benchmark.core.image_io import read_image
from benchmark.profiling.networks import diffusion, random_pairs, training_step
from benchmark.profiling.timing import stopped
from benchmark.restoring.photo_io import SAVED
from benchmark.spec.hollow import hollow
from benchmark.training import crops as training_data
from benchmark.training import step
from benchmark.training.crops import Source

SIZE = (720, 480)  # width, height
CROPS = (128, 192, 256)
FILES = 32  # pairs written; each is read several times


@dataclass(frozen=True)
class Supply:
    """Pairs a second at one crop: of one loader process by source, and of training steps."""

    crop: int
    made: dict[str, float]
    taken: float

    def loaders(self, source: str) -> int:
        """Processes that make pairs of that source as fast as steps take them."""
        return math.ceil(self.taken / self.made[source])


def supplies(
    photos: Sequence[Path],
    denoiser: str,
    size: str = "full",
    gflops: float | None = None,
    crops: Sequence[int] = CROPS,
    count: int = 128,
) -> list[Supply]:
    """What loaders and steps of a conditional diffusion model do at each crop.

    gflops: the rate in 10⁹ FLOP/s that steps sustain; they are timed on this machine if None.
    count: pairs over which a loader is timed.
    """
    found = []
    with tempfile.TemporaryDirectory() as folder:
        sources = {
            "made here": photos,
            "PNG": write_pairs(photos, Path(folder), ".png", FILES),
            "JPEG": write_pairs(photos, Path(folder), ".jpg", FILES),
        }
        for crop in crops:
            made = {name: made_a_second(source, crop, count) for name, source in sources.items()}
            found.append(Supply(crop, made, taken_a_second(denoiser, size, crop, gflops)))
    return found


def made_a_second(source: Source, crop: int, count: int, batch: int = 8) -> float:
    """Pairs a second of processor time that one loader process makes, in batches, as in training.

    What else the machine has to do does not count, nor that a process hands its batches over.
    """
    pairs = training_data.crops(source, crop, seed=0, first=0, count=count)
    pairs[0]  # the first does more
    threads = cv2.getNumThreads(), torch.get_num_threads()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    try:
        start = time.process_time()
        for first in range(0, count, batch):
            default_collate([pairs[i] for i in range(first, min(first + batch, count))])
        return count / (time.process_time() - start)
    finally:
        cv2.setNumThreads(threads[0])
        torch.set_num_threads(threads[1])


def taken_a_second(denoiser: str, size: str, crop: int, gflops: float | None) -> float:
    """Pairs a second of training steps, without the optimiser's arithmetic if gflops are given."""
    if gflops:
        method = diffusion(torch.device("cpu"), denoiser=denoiser, size=size)
        with hollow(method):
            return gflops * 1e9 / step.step_flops(method, *random_pairs(1, crop, "cpu"))
    machine = device.choose()
    batch = 8 if machine.type == "cuda" else 1  # a processor does one after the other anyway
    method = diffusion(machine, denoiser=denoiser, size=size)
    learn = training_step(method, *random_pairs(batch, crop, machine))
    learn()
    return batch / stopped(learn, machine)


def write_pairs(
    photos: Sequence[Path], folder: Path, suffix: str, count: int
) -> list[tuple[Path, Path]]:
    """Write pairs of SIZE, each photograph in turn, continued by its mirror image where it is
    smaller; the input is the target, blurred. Returns (input, target) of each."""
    pairs = []
    for i in range(count):
        photo = read_image(photos[i % len(photos)])[: SIZE[1], : SIZE[0]]
        missing = [side - had for side, had in zip(SIZE[::-1], photo.shape[:2], strict=True)]
        target = cv2.copyMakeBorder(photo, 0, missing[0], 0, missing[1], cv2.BORDER_REFLECT)
        names = tuple(folder / f"{i}_{role}{suffix}" for role in ("input", "target"))
        for name, image in zip(names, (cv2.GaussianBlur(target, (3, 3), 0), target), strict=True):
            kind, options = SAVED[suffix]
            Image.fromarray(image).save(name, kind, **options)
        pairs.append(names)
    return pairs


def as_table(found: Sequence[Supply]) -> str:
    """A line a crop: pairs a second, and the loader processes that are needed."""
    names = list(found[0].made)
    heads = "".join(f"{name:>11}" for name in names)
    lines = [
        "pairs a second of one loader process and of training steps; loader processes needed",
        f"crop{heads}{'steps':>11}   needed:{heads}",
    ]
    for supply in found:
        made = "".join(f"{rate:11.1f}" for rate in supply.made.values())
        needed = "".join(f"{supply.loaders(name):11}" for name in names)
        lines.append(f"{supply.crop:4}{made}{supply.taken:11.3g}           {needed}")
    return "\n".join(lines)
