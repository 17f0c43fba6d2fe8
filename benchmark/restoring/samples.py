"""Further restorations of images that have one, each from its own noise: samples of a variant.

Sample 0 is the restoration that every variant has. Sample k > 0 lies in `samples/K/` beside it,
rounded to 8 bits, and the table `DATASET.samples.csv` names it.
"""

from pathlib import Path
from typing import Any

import pandas as pd
import torch
from tqdm import tqdm

from benchmark.core import device, streams
from benchmark.core.checksum import checksum
from benchmark.core.errors import NotWritten
from benchmark.core.seeds import torch_generator
from benchmark.core.storage import ROUNDED
from benchmark.restoring import output
from benchmark.restoring.dataset import Job, read_tensor, to_array
from benchmark.restoring.rows import failure_of
from benchmark.results import schema
from benchmark.results.layout import SAMPLES


def draw(
    job: Job, rows: pd.DataFrame, images: pd.DataFrame, root: Path, out: Path, count: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw the samples 1 to `count` - 1 of every image that was restored.

    job: as `dataset.restore` has carried it out, so that its method is ready. rows: the table of
    restored images. images: rows of images.csv; paths are relative to `root`. out: the folder of
    the restored images.

    Returns `rows`, in which an image whose samples failed has a status and a reason, and the table
    of samples, columns `layout.SAMPLES`. Raises NotWritten if an image cannot be written.
    """
    place = {(i.dataset, i.weather, i.image): i for i in images.itertuples()}
    records, drawn = rows.to_dict("records"), []
    todo = [row for row in records if row["status"] == schema.OK]
    bar = tqdm(total=len(todo) * (count - 1), desc=f"{job.label} {job.variant}", unit="sample")
    with bar:
        for row in todo:
            image, own = place[tuple(row[name] for name in schema.IMAGE)], []
            try:
                for number in range(1, count):
                    own.append(_draw_one(job, image, number, root, out))
                    bar.update()
            except NotWritten:  # a failure of the disk, which would hit the other images too
                raise
            except Exception as error:
                failure = failure_of(error)
                row |= failure | {"reason": f"sample {number}: {failure['reason']}"}
            else:
                drawn += own
    return pd.DataFrame(records, columns=rows.columns), pd.DataFrame(drawn, columns=list(SAMPLES))


def _draw_one(job: Job, image: Any, number: int, root: Path, out: Path) -> dict[str, Any]:
    """Draw and save one sample; returns its row."""
    names = (image.input, image.target) if job.method.sees_target else (image.input,)
    degraded, *target = (read_tensor(root / name, job.method.device) for name in names)
    generator = sample_generator("restore", image.dataset, image.weather, image.image, job.seed,
                                 sample=number)  # fmt: skip
    precision = device.arithmetic(degraded.device, job.execution.precision)
    with torch.inference_mode(), precision:
        restored = job.method.restore(degraded.clone(), job.settings, [generator], *target)
    streams.reopen_closed()
    output.check(restored, degraded)
    path = ROUNDED.path(out / "samples" / str(number), image.weather, image.image)
    ROUNDED.write(path, to_array(restored))
    file = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
    values = (image.dataset, image.weather, image.image, number, file, checksum(path))
    return dict(zip(SAMPLES, values, strict=True))


def sample_generator(*names: str | int, sample: int) -> torch.Generator:
    """The noise of a sample, by the names of its image; sample 0 has that of the image alone."""
    return torch_generator(*names, *(("sample", sample) if sample else ()))
