"""Rows of an earlier restoring or scoring that still hold: only changed images are computed.

Snakemake deletes a job's results before it runs the job. So each job also keeps its rows, with the
checksums of the files that they were made from, in `results/NAME/kept/`.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.core.checksum import checksum, json_digest
from benchmark.core.errors import UserError
from benchmark.core.paths import ROOT
from benchmark.core.storage import STORAGES
from benchmark.jobs.identity import Identity
from benchmark.results import schema
from benchmark.results.layout import RESTORED, SAMPLES, RunFolder, write_csv
from benchmark.results.schema import IMAGE
from benchmark.results.tables import read_table

FILES = ["input_sha256", "target_sha256"]
RESTORED_IMAGE = [*IMAGE, "variant"]
# Checksums of the restored image in each storage, and of its target.
SCORED_FILES = [*(storage.columns[1] for storage in STORAGES), "target_sha256"]
VALID = (schema.OK, schema.SKIPPED)


def write_restored(
    run: RunFolder, unit: tuple, identity: Identity, rows: pd.DataFrame, images: pd.DataFrame
) -> None:
    """Keep the rows of a restoring. unit: entry, variant, seed, data set."""
    rows = rows.merge(images[[*IMAGE, *FILES]], on=IMAGE)
    _write(run.kept("restore", *unit), rows, _restoring_key(run, unit, identity))


def read_restored(
    run: RunFolder, unit: tuple, identity: Identity, images: pd.DataFrame, sees_target: bool
) -> pd.DataFrame:
    """The rows of an earlier restoring of this identity whose image, and whose restored files, have
    not changed; columns RESTORED. sees_target: whether the method is given the target too."""
    key = _restoring_key(run, unit, identity)
    rows = _read(run.kept("restore", *unit), (*RESTORED, *FILES), key)
    same = _same_files(rows, images, IMAGE, FILES if sees_target else FILES[:1])
    whole = [row.status == schema.SKIPPED or _is_whole(row) for row in rows.itertuples()]
    return rows[same & np.array(whole, bool)][list(RESTORED)]


def with_samples(rows: pd.DataFrame, table: Path, count: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The kept rows of a restoring whose samples are all there, unchanged, and those samples.

    table: of the samples, columns SAMPLES. count: of the samples of an image, with sample 0.
    """
    try:
        samples = read_table(table, SAMPLES, "")
    except UserError:
        samples = pd.DataFrame(columns=list(SAMPLES))
    whole = [
        (ROOT / s.file).is_file() and checksum(ROOT / s.file) == s.sha256
        for s in samples.itertuples()
    ]
    samples = samples[np.array(whole, bool)]
    counts = names(samples, IMAGE).value_counts()
    complete = names(rows, IMAGE).map(counts).fillna(0) == count - 1
    rows = rows[complete | (rows.status != schema.OK)]
    return rows, samples[names(samples, IMAGE).isin(names(rows, IMAGE))]


def write_scores(
    run: RunFolder, unit: tuple, identity: Identity, scores: pd.DataFrame, files: pd.DataFrame
) -> None:
    """Keep the rows of a scoring. unit: entry, seed, data set. files: see `scored_files`."""
    rows = scores.merge(files, on=RESTORED_IMAGE)
    _write(run.kept("score", *unit), rows, _key(identity))


def read_scores(
    run: RunFolder, unit: tuple, identity: Identity, files: pd.DataFrame
) -> pd.DataFrame:
    """The rows of an earlier scoring of this identity: of the images of which all is scored and no
    file has changed; columns SCORES."""
    rows = _read(run.kept("score", *unit), (*schema.SCORES, *SCORED_FILES), _key(identity))
    found = names(rows, RESTORED_IMAGE)
    unsound = found[~_same_files(rows, files, RESTORED_IMAGE, SCORED_FILES)]
    return rows[~found.isin(unsound)][list(schema.SCORES)]


def scored_files(restored: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """The checksums of restored images and their targets: columns RESTORED_IMAGE, SCORED_FILES."""
    found = restored.merge(images[[*IMAGE, "target_sha256"]], on=IMAGE)
    return found[[*RESTORED_IMAGE, *SCORED_FILES]]


def names(rows: pd.DataFrame, on: Sequence[str]) -> pd.Series:
    """These columns of each row as one text, to compare rows of two tables."""
    text = rows[on[0]].astype(str)
    for name in on[1:]:
        text = text + "/" + rows[name].astype(str)
    return text


def joined(
    earlier: pd.DataFrame, new: pd.DataFrame, order: pd.DataFrame, on: Sequence[str]
) -> pd.DataFrame:
    """Earlier and new rows in the order of `order`, by the values in columns `on`."""
    rows = pd.concat([earlier, new], ignore_index=True)
    places = order[on].merge(rows.reset_index(), on=on)["index"]
    return rows.loc[places].reset_index(drop=True)


def _same_files(
    rows: pd.DataFrame, now: pd.DataFrame, on: Sequence[str], files: Sequence[str]
) -> np.ndarray:
    """For each row, whether it is valid and its files have the checksums of `now`."""
    present = rows[on].merge(now[[*on, *files]], on=on, how="left")
    same = (rows[files].to_numpy() == present[files].to_numpy()).all(axis=1)
    return same & rows.status.isin(VALID).to_numpy()


def _is_whole(row) -> bool:
    """Whether a restored image is there, unchanged, in each storage that its row names."""
    for storage in STORAGES:
        file, sha256 = (getattr(row, name) for name in storage.columns)
        if file and not ((ROOT / file).is_file() and checksum(ROOT / file) == sha256):
            return False
    return True


def _restoring_key(run: RunFolder, unit: tuple, identity: Identity) -> str:
    label, _, seed, _ = unit
    file = run.training(label, seed) / "weights.safetensors"
    return _key(identity, *([checksum(file)] if file.exists() else []))


def _key(identity: Identity, *files: str) -> str:
    """A digest of all that decides a row, besides the row's own images.

    files: checksums of further files that decide it.
    """
    parts = {k: v for k, v in identity.parts.items() if k not in ("images", "restorings")}
    return json_digest([parts, files])


def _write(file: Path, rows: pd.DataFrame, key: str) -> None:
    write_csv(rows.assign(key=key), file)


def _read(file: Path, columns: Sequence[str], key: str) -> pd.DataFrame:
    """The rows that are kept under this key, all values as text, so that they are written again as
    they were; none if the file is missing, damaged or of another key."""
    try:
        read_table(file, [*columns, "key"], "")  # refuses what is damaged
    except UserError:
        return pd.DataFrame(columns=list(columns))
    rows = pd.read_csv(file, dtype=str, keep_default_na=False)
    return rows[rows.key == key].drop(columns="key")
