"""Writes what the process of a training or a restoring gave back: its result, or why there is none.

It imports no torch: the process that waits for a method's process needs none.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.core.json_io import write_json
from benchmark.jobs import kept
from benchmark.jobs.identity import Identity
from benchmark.jobs.isolation import Failure
from benchmark.results.layout import AGAIN, RESTORED, RunFolder, write_csv
from benchmark.results.schema import IMAGE
from benchmark.results.tables import IMAGES, read_table


def write_training(
    run: RunFolder, label: str, seed: int, outcome: dict[str, Any] | Failure, log: Path | None
) -> None:
    """Write the training.json of an entry: its facts, or a status and a reason.

    log: the file with what the job printed, or None if there is none.
    """
    if isinstance(outcome, Failure):
        reason = f"training: {outcome.reason}{see(log)}"
        outcome = {"status": outcome.status, "reason": reason}
    write_json(run.training(label, seed) / "training.json", outcome)


def write_restored(
    run: RunFolder,
    label: str,
    variant: str,
    seed: int,
    dataset: str,
    outcome: pd.DataFrame | Failure,
    identity: Identity,
    log: Path | None,
) -> None:
    """Write the table of a restoring: its rows (columns RESTORED), or a failure for each image.

    Rows are also kept for a later job of the same identity. If no image was restored, those that
    an earlier job has kept stay. log: as for `write_training`.
    """
    unit, images = (label, variant, seed, dataset), images_of(run, dataset)
    if isinstance(outcome, Failure):
        outcome = failed(unit, images, Failure(outcome.status, f"{outcome.reason}{see(log)}"))
    outcome = outcome.reindex(columns=list(RESTORED))
    write_csv(outcome, run.restored(*unit))
    if outcome.status.isin(kept.VALID).any():
        kept.write_restored(run, unit, identity, outcome, images)


def failed(unit: tuple[str, str, int, str], images: pd.DataFrame, failure: Failure) -> pd.DataFrame:
    """A row with the status and the reason for each image.

    unit: entry, variant, seed and data set.
    """
    label, variant, seed, _ = unit
    return images[list(IMAGE)].assign(
        method=label, variant=variant, seed=seed, status=failure.status, reason=failure.reason
    )


def see(log: Path | None) -> str:
    """What a reason says of a log at its end."""
    return f" (log: {log})" if log else ""


def images_of(run: RunFolder, dataset: str) -> pd.DataFrame:
    """The test images of a data set: columns `IMAGES`."""
    images = read_table(run.images, IMAGES, AGAIN)
    return images[images.dataset == dataset]
