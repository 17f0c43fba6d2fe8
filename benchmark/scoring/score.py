"""Scores of restored images: one row for each image and metric, with a status and a reason."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from benchmark.core.checksum import checksum
from benchmark.core.errors import UserError, WeightsMissing, is_out_of_memory
from benchmark.core.image_io import read_image
from benchmark.core.storage import STORAGES
from benchmark.results import schema
from benchmark.scoring.metrics import Metric, UndefinedMetric, metrics_of

KEYS = (*schema.IMAGE, *schema.METHOD, "seed")
Row = dict[str, Any]


@dataclass(frozen=True)
class Absent:
    """A missing image, with the status and reason of its rows."""

    status: str
    reason: str


Source = Path | Absent
Restored = Source | Mapping[str, Source]  # the same for every protocol, or by name of the storage
Pair = tuple[Row, Restored, Source]  # key columns, restored, target
NO_TARGET = Absent(schema.SKIPPED, schema.NO_TARGET)


def score_pair(
    restored: np.ndarray, target: np.ndarray | Absent, metrics: Sequence[Metric]
) -> list[Row]:
    """One row for each metric of uint8 (H, W, 3) images; the value is NaN if the status is not ok.

    If the target is absent, metrics that need it get its status and reason. The status is `failed`
    if the images differ in size or the metric is undefined for them, and `weights-missing` if the
    metric's weight file is missing. Raises UserError if a weight file is damaged: that would fail
    in every row.
    """
    return [_score(metric, restored, target) for metric in metrics]


def unscored(metrics: Sequence[Metric], status: str, reason: str) -> list[Row]:
    """The rows of a pair that cannot be scored."""
    return [_row(metric, math.nan, status, reason) for metric in metrics]


def score_images(pairs: Iterable[Pair], metrics: Sequence[Metric]) -> pd.DataFrame:
    """Score pairs one by one, in their order; a row has the pair's key columns and the score.

    pairs: (key columns, restored, target); an image is a path or `Absent`. If `restored` maps names
    of storages to images, a metric takes that of its protocol. An image that cannot be read is
    `failed` with the reason, and the next ones are scored. A value depends only on its own pair.
    """
    rows: list[Row] = []
    for key, restored, target in tqdm(list(pairs), "score", unit="image"):
        rows += [key | row for row in _score_files(restored, target, metrics)]
    return pd.DataFrame(rows)


def score_pairs(pairs: Iterable[Pair], protocols: Iterable[str] | None = None) -> pd.DataFrame:
    """Score pairs of two folders, from `folder_pairs`; columns `schema.FOLDER_SCORES`.

    Rows are in the order of the pairs, then of METRICS. An image without a partner gets rows with
    status `failed`; see `problems`. protocols: names; `OWN` if None. Raises UserError for an
    unknown one.
    """
    return score_images(pairs, metrics_of(protocols))[list(schema.FOLDER_SCORES)]


def score_restored(
    restored: pd.DataFrame,
    images: pd.DataFrame,
    root: Path,
    protocols: Iterable[str] | None = None,
    as_given: bool = False,
) -> pd.DataFrame:
    """Score restored images of a run; returns the columns `schema.SCORES`, in the order of
    `restored`.

    restored: one row for each image, columns `layout.RESTORED`. images: rows of images.csv; the
    target is empty if there is no ground truth. Paths are relative to `root`. as_given: the images
    come from elsewhere, and each is scored as it is in `file`, also by protocols with another
    storage. An image that was not restored keeps its status and reason. Raises UserError if
    `images` has no row for a restored image.
    """
    metrics = metrics_of(protocols)
    targets = {(i.dataset, i.weather, i.image): i.target for i in images.itertuples()}
    pairs: list[Pair] = []
    for row in restored.itertuples():
        name = (row.dataset, row.weather, row.image)
        if name not in targets:
            raise UserError(f"images.csv has no {'/'.join(name)}. Restore and score again.")
        if row.status != schema.OK:
            source = Absent(row.status, row.reason)
        else:
            source = root / row.file if as_given else _stored(row, root)
        target = root / targets[name] if targets[name] else NO_TARGET
        pairs.append(({key: getattr(row, key) for key in KEYS}, source, target))
    return score_images(pairs, metrics).reindex(columns=list(schema.SCORES))


def _stored(row: Any, root: Path) -> dict[str, Source]:
    """The files of a restored image by name of the storage."""
    files = {storage.name: getattr(row, storage.columns[0]) for storage in STORAGES}
    return {
        name: root / file if file else Absent(schema.FAILED, f"not stored as {name}: restore again")
        for name, file in files.items()
    }


def refuse_changed(restored: pd.DataFrame, root: Path) -> pd.DataFrame:
    """The table with status `failed` for files whose sha256 differs from the table's.

    This happens if restoring by hand was killed: the images are newer than the table.
    """
    changed = [
        row["status"] == schema.OK and any(_differs(row, *s.columns, root) for s in STORAGES)
        for row in restored.to_dict("records")
    ]
    fault = {"status": schema.FAILED, "reason": "the image changed after it was restored"}
    restored = restored.copy()
    restored.loc[changed, list(fault)] = list(fault.values())
    return restored


def _differs(row: Row, file: str, sha256: str, root: Path) -> bool:
    """Whether a file is there and is not the one of the table."""
    path = root / row[file]
    return bool(row[file]) and path.is_file() and checksum(path) != row[sha256]


def problems(scores: pd.DataFrame) -> list[str]:
    """One line for each image and reason of a missing score, in the table's order."""
    failed = scores[scores["status"] != schema.OK].drop_duplicates(["image", "reason"])
    return [f"{row.image}: {row.reason}" for row in failed.itertuples()]


def _score_files(restored: Restored, target: Source, metrics: Sequence[Metric]) -> list[Row]:
    theirs, rows = _read(target), []
    for storage, group in groupby(metrics, lambda metric: metric.protocol.storage.name):
        same = tuple(group)
        ours = _read(restored[storage] if isinstance(restored, Mapping) else restored)
        if isinstance(ours, Absent):
            rows += unscored(same, ours.status, ours.reason)
        else:
            rows += score_pair(ours, theirs, same)
    return rows


def _read(source: Source) -> np.ndarray | Absent:
    try:
        return source if isinstance(source, Absent) else read_image(source)
    except Exception as error:
        return Absent(*why_image_unscored(error))


def _score(metric: Metric, restored: np.ndarray, target: np.ndarray | Absent) -> Row:
    if not metric.needs_target:
        target = None
    elif isinstance(target, Absent):
        return _row(metric, math.nan, target.status, target.reason)
    try:
        return _row(metric, metric(restored, target), schema.OK, "")
    except Exception as error:
        return _row(metric, math.nan, *why_unscored(error))


def why_unscored(error: Exception) -> tuple[str, str]:
    """Status and reason of what raised an error in scoring, if other scores can go on; raises the
    error if not."""
    if isinstance(error, UndefinedMetric):
        return schema.FAILED, str(error)
    if isinstance(error, WeightsMissing):
        return schema.WEIGHTS_MISSING, str(error)
    if is_out_of_memory(error):
        return schema.OUT_OF_MEMORY, f"scoring: {error}"
    raise error


def why_image_unscored(error: Exception) -> tuple[str, str]:
    """As `why_unscored`, for an image: one that cannot be read is `failed`, too."""
    if isinstance(error, UserError) and not isinstance(error, WeightsMissing):
        return schema.FAILED, str(error)
    return why_unscored(error)


def _row(metric: Metric, value: float, status: str, reason: str) -> Row:
    return {
        "protocol": metric.protocol.name,
        "metric": metric.name,
        "value": value,
        "status": status,
        "reason": reason,
    }
