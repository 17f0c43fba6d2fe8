"""Restores the images of a data set with one method and variant, and measures the cost."""

import os
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from benchmark.core import device, weights
from benchmark.core.checksum import checksum
from benchmark.core.errors import WeightsMissing
from benchmark.core.image_io import image_size, read_image, to_float, to_uint8
from benchmark.core.pipeline import Behind, ahead
from benchmark.core.storage import ROUNDED, Storage
from benchmark.restoring.computing import Computer, Restored
from benchmark.restoring.rows import Rows, failed_rows, row_of
from benchmark.restoring.units import Size, Unit, in_batches, one_by_one
from benchmark.results import schema
from benchmark.results.layout import RESTORED
from benchmark.spec.method import ALL_WEATHERS, CLEAR, LearnedMethod, Method, Settings
from benchmark.spec.variant import Execution

THREADS = 2  # that decode beside a CPU's computing, and as many that write
AHEAD = 8  # images that wait decoded, or to be written
AS_USUAL = Execution()


@dataclass(frozen=True)
class Job:
    """One method with one setting.

    label, variant, seed: go into the table; the seed also determines the noise. weights: the file
    of a learned method's weights. weathers: those of the entry; only images with a weather that
    the method's card has too are restored. storages: the ways to store each image. execution: how
    the suite carries the variant out. batch_gib: GiB of tensors that a batch may take on a GPU;
    None to restore the images one by one, as on a CPU.
    """

    label: str
    variant: str
    seed: int
    method: Method
    settings: Settings
    weights: Path | None
    weathers: tuple[str, ...] = ALL_WEATHERS
    storages: tuple[Storage, ...] = (ROUNDED,)
    execution: Execution = AS_USUAL
    batch_gib: float | None = None


def restore(job: Job, images: pd.DataFrame, root: Path, out: Path) -> pd.DataFrame:
    """Restore every image to `out/WEATHER/IMAGE.png` (8 bit); returns a table of files and cost.

    A further storage of the job has a folder of its own, `out/NAME/WEATHER/`. Images are decoded
    ahead and written behind in threads.

    images: rows of images.csv, with paths relative to `root`. The table has one row for each image,
    with columns RESTORED. If an image fails, its row has a status and a reason, and the other
    images go on; if the weights fail, all rows have them. Raises NotWritten if an image cannot be
    written.
    """
    machine = device.choose()
    try:
        parameters = ready(job.method, job.weights, machine)
    except Exception as error:
        return failed_rows(job, images, error)
    rows = [row_of(job, image) | _left_out(job, image) for image in images.itertuples()]
    todo = [
        image for image, row in zip(images.itertuples(), rows, strict=True) if "status" not in row
    ]
    computer = Computer(job.method, job.settings, job.seed, machine, job.execution)
    units = _units(job, computer, [_size(root / image.input) for image in todo])
    done = Rows([row for row in rows if "status" not in row], {"parameters": parameters})
    threads, most = _threads(machine, units)
    reading = ahead(lambda number: _read(job, todo[number], root), _numbers(units), threads, most)
    bar = tqdm(total=len(todo), desc=f"{job.label} {job.variant}", unit="image")
    with bar, closing(reading) as decoded, Behind(threads, most) as writing:
        for unit in units:
            loaded = [future for _, future in islice(decoded, len(unit.images))]
            for number, result in _restored(computer, unit, todo, loaded):
                if isinstance(result, Exception):
                    done.failed(number, result)
                else:
                    restored, cost = result
                    array = to_array(restored)
                    file = writing.submit(_store, job, todo[number], array, root, out)
                    done.restored(number, cost, file)
                bar.update()
            done.collect(only_finished=True)
    done.collect()
    return pd.DataFrame(rows, columns=list(RESTORED))


def _threads(machine: torch.device, units: list[Unit]) -> tuple[int, int]:
    """How many threads decode, and as many write; and how many images wait for each.

    A GPU must not wait for them: there are two batches ahead.
    """
    largest = max((len(unit.images) for unit in units), default=1)
    threads = THREADS if machine.type == "cpu" else min(8, max(THREADS, (os.cpu_count() or 1) // 2))
    return threads, max(AHEAD, 2 * largest)


def _left_out(job: Job, image: Any) -> dict[str, str]:
    """Status and reason of an image that the method does not restore; empty if it does."""
    weathers = {*job.method.card.weathers} & {*job.weathers} | {CLEAR}
    if image.weather not in weathers:
        return {"status": schema.SKIPPED, "reason": f"not made for {image.weather}"}
    if job.method.sees_target and not image.target:
        return {"status": schema.SKIPPED, "reason": schema.NO_TARGET}
    return {}


def _units(job: Job, computer: Computer, sizes: list[Size | None]) -> list[Unit]:
    if job.batch_gib is None or computer.machine.type == "cpu":
        return one_by_one(sizes)
    return in_batches(sizes, lambda size: computer.batch_of(size, job.batch_gib))


def _restored(
    computer: Computer, unit: Unit, todo: list, loaded: list[Future]
) -> Iterator[tuple[int, Restored]]:
    """Number and result of each image of a unit; those that could not be read have their error."""
    faults = {
        number: fault
        for number, future in zip(unit.images, loaded, strict=True)
        if (fault := future.exception())
    }
    yield from faults.items()
    sound = [number for number in unit.images if number not in faults]
    if sound:
        images = [f.result() for n, f in zip(unit.images, loaded, strict=True) if n in sound]
        results = computer.restore(unit, [todo[number] for number in sound], images)
        yield from zip(sound, results, strict=True)


def _size(path: Path) -> Size | None:
    """(height, width) of an image file; None if it cannot be read, which decoding reports."""
    with suppress(Exception):
        return image_size(path)[::-1]
    return None


def _numbers(units: list[Unit]) -> Iterator[int]:
    return (number for unit in units for number in unit.images)


def _read(job: Job, image: Any, root: Path) -> list[torch.Tensor]:
    """An image's input and, for a method that sees it, its target, on the CPU."""
    names = (image.input, image.target) if job.method.sees_target else (image.input,)
    return [read_tensor(root / name, torch.device("cpu")) for name in names]


def ready(method: Method, file: Path | None, machine: torch.device) -> int:
    """Load a method's weights and move it to the device; returns its network's parameter count.

    Raises WeightsMissing if a learned method has no file, and UserError as `weights.load`.
    """
    if isinstance(method, LearnedMethod):
        if file is None:
            raise WeightsMissing("no weights were given for a method that learns")
        weights.load(method.network, file)
    return place(method, machine)


def place(method: Method, machine: torch.device) -> int:
    """Move a method that has its weights to the device; returns its network's parameter count."""
    method.device = machine
    if isinstance(method, LearnedMethod):
        method.network.eval().to(machine, memory_format=torch.channels_last)
    if method.network is None:
        return 0
    return sum(p.numel() for p in method.network.parameters())


def _store(job: Job, image: Any, restored: np.ndarray, root: Path, out: Path) -> dict[str, str]:
    """Save one image (H, W, 3) in every storage of the job; returns the columns of files and
    checksums."""
    columns = {}
    for storage in job.storages:
        path = storage.path(out, image.weather, image.image)
        storage.write(path, restored)
        file = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
        columns |= dict(zip(storage.columns, (file, checksum(path)), strict=True))
    return columns


def read_tensor(path: Path, machine: torch.device) -> torch.Tensor:
    """An image file as float32 (1, 3, H, W) in [0, 1], on the device."""
    return to_tensor(read_image(path), machine)


def to_tensor(pixels: np.ndarray, machine: torch.device) -> torch.Tensor:
    """uint8 (H, W, 3) as float32 (1, 3, H, W) in [0, 1], on the device.

    The bytes are put into order, not the floats: a large photo is held as floats only once.
    """
    planes = np.ascontiguousarray(pixels.transpose(2, 0, 1))[None]
    return torch.from_numpy(to_float(planes)).to(machine)


def to_pixels(restored: torch.Tensor) -> np.ndarray:
    """uint8 (H, W, 3) from a result (1, 3, H, W) in [0, 1]; values outside are clipped.

    Raises ValueError if a value is not finite.
    """
    return to_uint8(to_array(restored))


def to_array(restored: torch.Tensor) -> np.ndarray:
    """float32 (H, W, 3) from a result (1, 3, H, W)."""
    return restored[0].float().permute(1, 2, 0).cpu().numpy()
