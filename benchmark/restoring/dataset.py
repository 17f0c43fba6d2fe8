"""Restores the images of a data set with one method and variant, and measures the cost."""

import traceback
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from benchmark.core import device, streams, weights
from benchmark.core.checksum import checksum
from benchmark.core.errors import NotWritten, WeightsMissing
from benchmark.core.flops import flop_counter
from benchmark.core.image_io import read_image, to_float, to_uint8
from benchmark.core.seeds import torch_generator
from benchmark.core.storage import ROUNDED, Storage
from benchmark.restoring import output
from benchmark.results import schema
from benchmark.results.layout import RESTORED
from benchmark.spec.method import ALL_WEATHERS, CLEAR, LearnedMethod, Method, Settings


@dataclass(frozen=True)
class Job:
    """One method with one setting.

    label, variant, seed: go into the table; the seed also determines the noise. weights: the file
    of a learned method's weights. weathers: those of the entry; only images with a weather that
    the method's card has too are restored. storages: the ways to store each image.
    """

    label: str
    variant: str
    seed: int
    method: Method
    settings: Settings
    weights: Path | None
    weathers: tuple[str, ...] = ALL_WEATHERS
    storages: tuple[Storage, ...] = (ROUNDED,)


def restore(job: Job, images: pd.DataFrame, root: Path, out: Path) -> pd.DataFrame:
    """Restore every image to `out/WEATHER/IMAGE.png` (8 bit); returns a table of files and cost.

    A further storage of the job has a folder of its own, `out/NAME/WEATHER/`.

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
    rows, flops = [], {}
    for image in tqdm(list(images.itertuples()), f"{job.label} {job.variant}", unit="image"):
        row = _row(job, image)
        weathers = {*job.method.card.weathers} & {*job.weathers} | {CLEAR}
        if image.weather not in weathers:
            row |= {"status": schema.SKIPPED, "reason": f"not made for {image.weather}"}
        elif job.method.sees_target and not image.target:
            row |= {"status": schema.SKIPPED, "reason": schema.NO_TARGET}
        else:
            try:
                row |= _restore_one(job, image, root, out, machine, flops)
                row |= {"parameters": parameters, "status": schema.OK}
            except NotWritten:  # a failure of the disk, which would hit the other images too
                raise
            except Exception as error:
                row |= failure_of(error)
        rows.append(row)
    return pd.DataFrame(rows, columns=list(RESTORED))


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


def _restore_one(job: Job, image, root: Path, out: Path, machine, flops: dict) -> dict:
    """Restore, time and save one image; returns the columns of files and cost.

    flops: FLOPs by (height, width). At a new size, one call that is not timed counts them.
    """
    names = (image.input, image.target) if job.method.sees_target else (image.input,)
    images = [read_tensor(root / name, machine) for name in names]

    def run(degraded: torch.Tensor, *target: torch.Tensor) -> torch.Tensor:
        # The seed depends on the image's name only, not on the images restored before it.
        generator = torch_generator("restore", image.dataset, image.weather, image.image, job.seed)
        with torch.inference_mode():
            return job.method.restore(degraded, job.settings, [generator], *target)

    def copies() -> list[torch.Tensor]:
        """The images, for a method that changes its input in place."""
        return [tensor.clone() for tensor in images]

    size = tuple(images[0].shape[-2:])
    if size not in flops:
        with flop_counter() as counter:
            run(*copies())
        flops[size] = counter.get_total_flops() or None
    inputs = copies()
    with device.Stopwatch(machine) as watch:
        restored = run(*inputs)
    streams.reopen_closed()
    output.check(restored, images[0])
    return _store(job, image, restored, root, out) | {
        "width": size[1],
        "height": size[0],
        "seconds": round(watch.seconds, 6),
        "nfe": job.method.evaluations(job.settings),
        "flops": flops[size],
        "peak_memory_bytes": device.peak_memory(machine),
        "device": device.describe(machine),
    }


def _store(job: Job, image, restored: torch.Tensor, root: Path, out: Path) -> dict:
    """Save one image in every storage of the job; returns the columns of files and checksums."""
    columns = {}
    for storage in job.storages:
        path = storage.path(out, image.weather, image.image)
        storage.write(path, to_array(restored))
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


def _row(job: Job, image) -> dict:
    return {
        "dataset": image.dataset,
        "weather": image.weather,
        "image": image.image,
        "method": job.label,
        "variant": job.variant,
        "seed": job.seed,
    }


def failed_rows(job: Job, images: pd.DataFrame, error: Exception) -> pd.DataFrame:
    """The table of a method that could not start: each image has the error as its reason."""
    failure = failure_of(error)
    rows = [_row(job, image) | failure for image in images.itertuples()]
    return pd.DataFrame(rows, columns=list(RESTORED))


def status_of(error: Exception) -> str:
    """The status for an error: weights missing, timed out, out of memory, or failed."""
    if isinstance(error, WeightsMissing):
        return schema.WEIGHTS_MISSING
    if isinstance(error, TimeoutError):
        return schema.TIMED_OUT
    memory = isinstance(error, (MemoryError, torch.OutOfMemoryError))
    return schema.OUT_OF_MEMORY if memory or "allocate memory" in str(error) else schema.FAILED


def failure_of(error: Exception) -> dict[str, str]:
    """Status and reason of an error; prints the traceback to the job's log."""
    tqdm.write("".join(traceback.format_exception(error)))
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    return {"status": status_of(error), "reason": reason[:300]}
