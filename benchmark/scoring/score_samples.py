"""Scores of variants with several samples: a row for each image and metric.

The metrics are those of `ensembles`; `diversity`, the mean LPIPS distance of neighbouring samples;
and the metrics of images that the run has, of the samples' mean (`mean/rgb/psnr`).
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from benchmark.core.checksum import checksum
from benchmark.core.errors import UserError
from benchmark.core.image_io import read_image
from benchmark.core.seeds import numpy_generator
from benchmark.results import schema
from benchmark.scoring.metrics import Metric, metrics_of
from benchmark.scoring.metrics.ensembles import ensemble_scores
from benchmark.scoring.score import score_pair, why_image_unscored, why_unscored

KEYS = [*schema.IMAGE, *schema.METHOD, "seed"]
LPIPS = "lpips-alex/lpips"
OF_MEAN = ("rgb/psnr", "rgb/ssim", LPIPS)
DIVERSITY = "diversity"
Row = dict[str, Any]


def score_samples(
    restored: pd.DataFrame,
    samples: pd.DataFrame,
    images: pd.DataFrame,
    root: Path,
    protocols: Iterable[str] | None = None,
) -> pd.DataFrame:
    """Score the samples of each image together; returns the columns `schema.SAMPLE_SCORES`.

    restored: one row for each image, columns `layout.RESTORED`: sample 0. samples: the others,
    columns `layout.SAMPLES`. images: rows of images.csv. Paths are relative to `root`. An image
    that was not restored, has no target or whose samples changed has one row with a status, a
    reason and no metric. A metric that is undefined for an image, or lacks its weights, has them in
    its own row.
    """
    files = {key: part for key, part in samples.groupby(schema.IMAGE, sort=False)}
    restored = restored.merge(images[[*schema.IMAGE, "target"]], on=schema.IMAGE, how="left")
    of_mean = [m for m in metrics_of(protocols) if m.key in OF_MEAN]
    rows: list[Row] = []
    for row in tqdm(restored.to_dict("records"), "score samples", unit="image"):
        names = {key: row[key] for key in KEYS}
        own = files.get(tuple(row[key] for key in schema.IMAGE))
        rows += [names | found for found in _score(row, own, root, of_mean)]
    return pd.DataFrame(rows, columns=list(schema.SAMPLE_SCORES))


def _score(
    row: Row, files: pd.DataFrame | None, root: Path, of_mean: Sequence[Metric]
) -> Iterator[Row]:
    count = 1 if files is None else 1 + len(files)
    if row["status"] != schema.OK:
        yield _row(count, "", math.nan, row["status"], row["reason"])
        return
    if not row["target"]:
        yield _row(count, "", math.nan, schema.SKIPPED, schema.NO_TARGET)
        return
    try:
        stack, target = _read(row, files, root), read_image(root / row["target"])
        if stack.shape[1:] != target.shape:
            raise UserError("restored image and target differ in size")
        generator = numpy_generator("ranks", *(str(row[key]) for key in KEYS))
        found = ensemble_scores(stack, target, generator)
        mean = np.rint(stack.mean(axis=0)).astype(np.uint8)
    except Exception as error:
        wrong = isinstance(error, ValueError)  # samples of different sizes
        why = (schema.FAILED, str(error)) if wrong else why_image_unscored(error)
        yield _row(count, "", math.nan, *why)
        return
    for name in ("variance", "squared_error", "crps", "absolute_error"):
        yield _row(count, name, getattr(found, name))
    for rank, share in enumerate(found.ranks):
        yield _row(count, f"rank-{rank}", float(share))
    for score in score_pair(mean, target, of_mean):
        name = f"mean/{score['protocol']}/{score['metric']}"
        yield _row(count, name, score["value"], score["status"], score["reason"])
    for lpips in (metric for metric in of_mean if metric.key == LPIPS):
        yield _diversity(stack, lpips)


def _read(row: Row, files: pd.DataFrame | None, root: Path) -> np.ndarray:
    """All samples of an image, (N, H, W, 3) uint8. Raises UserError if one has changed."""
    if files is None:
        raise UserError("its samples are missing: restore again")
    for file, sha256 in zip(files["file"], files["sha256"], strict=True):
        if not (root / file).is_file() or checksum(root / file) != sha256:
            raise UserError(f"{file} is missing or changed after it was restored: restore again")
    return np.stack([read_image(root / file) for file in (row["file"], *files["file"])])


def _diversity(stack: np.ndarray, lpips: Metric) -> Row:
    try:
        distances = [0.0 if (a == b).all() else lpips(a, b) for a, b in pairwise(stack)]
    except Exception as error:
        return _row(len(stack), DIVERSITY, math.nan, *why_unscored(error))
    return _row(len(stack), DIVERSITY, float(np.mean(distances)))


def _row(count: int, metric: str, value: float, status: str = schema.OK, reason: str = "") -> Row:
    return {"samples": count, "metric": metric, "value": value, "status": status, "reason": reason}
