"""Scores of sets of restored images: a row for each weather and metric, and one without each photo.

From the values without one photo each, a board has the jackknife's intervals and paired tests.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from benchmark.core.image_io import read_image
from benchmark.results import schema
from benchmark.scoring.metrics import SetMetric, set_metrics_of
from benchmark.scoring.score import why_image_unscored

SET = [*schema.GROUP, "seed"]
MOST_LEFT_OUT = 200  # with more photos, groups of them are left out
Row = dict[str, Any]
Features = Callable[[str, int], np.ndarray]  # of an image file of a set with so many images


def score_sets(
    restored: pd.DataFrame,
    images: pd.DataFrame,
    root: Path,
    protocols: Iterable[str],
) -> pd.DataFrame:
    """Score each weather's restored images as a set; returns the columns `schema.SET_SCORES`.

    restored: one row for each image, columns `layout.RESTORED`; the files that are rounded to 8
    bits are scored. images: rows of images.csv, which say what the photo and the target of an image
    are. Paths are relative to `root`. A set in which an image is missing, or has no target, has one
    row with a status and a reason. Sets have the order of their first images in `restored`.
    """
    # Of all photos of a data set: a photo is left out with the same others in every weather.
    group = images.groupby("dataset")["photo"].transform(
        lambda photos: photos.map(left_out_groups(photos))
    )
    named_images = images[[*schema.IMAGE, "photo", "target"]].assign(group=group)
    restored = restored.merge(named_images, on=schema.IMAGE, how="left")
    rows: list[Row] = []
    for metric in set_metrics_of(protocols):

        def features(file: str, count: int, metric: SetMetric = metric) -> np.ndarray:
            return metric.features(read_image(root / file), metric.weights, count)

        of_targets = cache(features)  # several weathers and variants have the same targets
        names = {"protocol": metric.protocol.name, "metric": metric.name}
        sets = list(restored.groupby(SET, sort=False))
        for key, part in tqdm(sets, metric.protocol.name, unit="set"):
            named = dict(zip(SET, key, strict=True)) | names
            rows += [named | row for row in _score(metric, part, features, of_targets)]
    return pd.DataFrame(rows, columns=list(schema.SET_SCORES))


def _score(
    metric: SetMetric, part: pd.DataFrame, features: Features, of_targets: Features
) -> Iterator[Row]:
    """The rows of one set: its value, and one without each photo or group of photos."""
    if missing := _missing(part):
        yield _row("", math.nan, *missing)
        return
    groups = part["group"] if part["group"].nunique() > 1 else part["photo"]
    names = sorted(groups.unique())
    if len(names) < 2:
        yield _row("", math.nan, schema.FAILED, f"{metric.title}: needs images of two photos")
        return
    try:
        score = metric.function(
            [_joined(part.loc[groups == name, "file"], features, len(part)) for name in names],
            [_joined(part.loc[groups == name, "target"], of_targets, len(part)) for name in names],
        )
    except Exception as error:
        yield _row("", math.nan, *why_image_unscored(error))
    else:
        yield _row("", score.value, schema.OK, "")
        for name, value in zip(names, score.left_out, strict=True):
            if math.isfinite(value):
                yield _row(name, float(value), schema.OK, "")


def left_out_groups(photos: Iterable[str]) -> dict[str, str]:
    """The name of the group with which each photo is left out: its own name, or, of many photos,
    that of the first and the last one of the group."""
    names = sorted(set(photos))
    if len(names) <= MOST_LEFT_OUT:
        return {name: name for name in names}
    parts = np.array_split(np.array(names, dtype=object), MOST_LEFT_OUT)
    return {name: f"{part[0]} … {part[-1]}" for part in parts for name in part}


def _joined(files: Iterable[str], features: Features, count: int) -> np.ndarray:
    return np.concatenate([features(file, count) for file in files])


def _missing(part: pd.DataFrame) -> tuple[str, str] | None:
    """Status and reason if an image of a set was not restored or has no target."""
    bad = part[part["status"] != schema.OK]
    if len(bad):
        first = bad.iloc[0]
        count = "" if len(bad) == len(part) else f" ({len(bad)} of {len(part)} images)"
        return first["status"], f"{first['reason']}{count}"
    if (part["target"].fillna("") == "").any():
        return schema.SKIPPED, schema.NO_TARGET
    return None


def _row(left_out: str, value: float, status: str, reason: str) -> Row:
    return {"left_out": left_out, "value": value, "status": status, "reason": reason}
