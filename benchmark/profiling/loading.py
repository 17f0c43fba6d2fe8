"""Training pairs per second: how many a loader process makes, and how many training steps use.

Pairs are made from clean photographs, or read from files. The files have 720×480 pixels, a common
size in public sets, and are cut from the same photographs.
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
from benchmark.profiling.networks import random_pairs, training_step, untrained
from benchmark.profiling.settings import Network
from benchmark.profiling.timing import seconds_of
from benchmark.restoring.photo_formats import written_as
from benchmark.spec.hollow import hollow
from benchmark.training import crops as training_data
from benchmark.training import step
from benchmark.training.crops import Source
from benchmark.training.decoded import kept_in

SIZE = (720, 480)  # width, height
CROPS = (128, 192, 256)  # sides in pixels
PAIRS = 128  # over which a loader is timed
FILES = 32  # pairs that are written; each is read several times
ALL = 2**62  # bytes: no limit


@dataclass(frozen=True)
class Supply:
    """Pairs per second at one crop size.

    crop: side in pixels. made: by one loader process, for each source of pairs; `decoded` are those
    that are decoded once (`training.decoded`). used: by training steps.
    """

    crop: int
    made: dict[str, float]
    used: float

    def loaders(self, source: str) -> int:
        """The number of loader processes that make pairs as fast as training steps use them."""
        return math.ceil(self.used / self.made[source])


def supplies(photos: Sequence[Path], network: Network, gflops: float | None = None) -> list[Supply]:
    """Pairs per second of a loader process and of a network's training steps, for each of `CROPS`.

    photos: clean photographs. gflops: the rate of training steps in 10⁹ FLOP/s; steps are timed on
    this machine if None.
    """
    found = []
    with tempfile.TemporaryDirectory() as folder, kept_in(Path(folder, "decoded")):
        png = write_pairs(photos, Path(folder), ".png", FILES)
        jpeg = write_pairs(photos, Path(folder), ".jpg", FILES)
        sources = {"made here": (photos, ALL), "PNG": (png, 0), "JPEG": (jpeg, 0),
                   "decoded": (png, ALL)}  # fmt: skip
        for crop in CROPS:
            made = {
                name: made_per_second(source, crop, PAIRS, most)
                for name, (source, most) in sources.items()
            }
            found.append(Supply(crop, made, used_per_second(network, crop, gflops)))
    return found


def made_per_second(
    source: Source, crop: int, count: int, decoded_bytes: int, batch: int = 8
) -> float:
    """Pairs that one loader process makes per second of processor time, in batches as in training.

    decoded_bytes: of images that are decoded once, before. Other work of the machine does not
    count, and neither does the copy from one process to another.
    """
    pairs = training_data.crops(source, crop, 0, 0, count, decoded_bytes=decoded_bytes)
    pairs[0]  # the first one also prepares what all use
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


def used_per_second(network: Network, crop: int, gflops: float | None) -> float:
    """Pairs that training steps use per second; with gflops, the optimiser's work is left out."""
    if gflops:
        method = untrained(network, torch.device("cpu"))
        with hollow(method):
            return gflops * 1e9 / step.step_flops(method, *random_pairs(1, crop, "cpu"))
    machine = device.choose()
    batch = 8 if machine.type == "cuda" else 1  # a CPU is not faster with more
    method = untrained(network, machine)
    learn = training_step(method, *random_pairs(batch, crop, machine))
    learn()
    return batch / seconds_of(learn, machine)


def write_pairs(
    photos: Sequence[Path], folder: Path, suffix: str, count: int
) -> list[tuple[Path, Path]]:
    """Write `count` pairs of SIZE as files; returns (input, target) of each.

    Photographs take turns. A smaller photograph is extended by its mirror image. The input is the
    blurred target.
    """
    pairs = []
    for i in range(count):
        photo = read_image(photos[i % len(photos)])[: SIZE[1], : SIZE[0]]
        below, right = (side - own for side, own in zip(SIZE[::-1], photo.shape[:2], strict=True))
        target = cv2.copyMakeBorder(photo, 0, below, 0, right, cv2.BORDER_REFLECT)
        files = tuple(folder / f"{i}_{role}{suffix}" for role in ("input", "target"))
        for file, image in zip(files, (cv2.GaussianBlur(target, (3, 3), 0), target), strict=True):
            kind = written_as(file)
            Image.fromarray(image).save(file, kind.name, **kind.options)
        pairs.append(files)
    return pairs


def as_table(found: Sequence[Supply]) -> str:
    """One line for each crop size: pairs per second, and the loader processes that are needed."""
    names = list(found[0].made)
    heads = "".join(f"{name:>11}" for name in names)
    lines = [
        "pairs per second of one loader process and of training steps; loader processes needed",
        f"crop{heads}{'steps':>11}   needed:{heads}",
    ]
    for supply in found:
        made = "".join(f"{rate:11.1f}" for rate in supply.made.values())
        needed = "".join(f"{supply.loaders(name):11}" for name in names)
        lines.append(f"{supply.crop:4}{made}{supply.used:11.3g}           {needed}")
    return "\n".join(lines)
