"""The scoring jobs of a run: all variants of one entry, seed and data set."""

from pathlib import Path

import pandas as pd

from benchmark.core.errors import UserError
from benchmark.core.paths import ROOT
from benchmark.jobs import kept
from benchmark.jobs.identity import Identity
from benchmark.results.layout import AGAIN, RESTORED, SAMPLES, RunFolder, write_csv
from benchmark.results.schema import IMAGE, OK
from benchmark.results.tables import IMAGES, read_table
from benchmark.spec.run_config import Config


def score(
    config: Config, run: RunFolder, label: str, seed: int, dataset: str, identity: Identity
) -> None:
    """Score the restored images of all variants of an entry.

    All variants are one job, because the start of a job takes as long as scoring fifty images.
    Images that an earlier job of the same `identity` has scored are not scored again, if neither
    they nor their targets have changed.
    """
    from benchmark.scoring.score import score_restored

    restored, images = _restored(config, run, label, seed, dataset)
    unit, files = (label, seed, dataset), kept.scored_files(restored, images)
    earlier, on = kept.read_scores(run, unit, identity, files), kept.RESTORED_IMAGE
    is_new = ~kept.names(restored, on).isin(kept.names(earlier, on))
    scores = score_restored(restored[is_new], images, ROOT, config.protocols)
    if not is_new.all():
        scores = kept.joined(earlier, scores, restored, on)
    write_csv(scores, run.scores(*unit))
    kept.write_scores(run, unit, identity, scores, files)


def score_sets(config: Config, run: RunFolder, label: str, seed: int, dataset: str) -> None:
    """Score the restored images of all variants of an entry as sets."""
    from benchmark.scoring.score_sets import score_sets

    restored, images = _restored(config, run, label, seed, dataset)
    write_csv(
        score_sets(restored, images, ROOT, config.protocols), run.set_scores(label, seed, dataset)
    )


def score_samples(config: Config, run: RunFolder, label: str, seed: int, dataset: str) -> None:
    """Score the samples of the variants of an entry that draw some."""
    from benchmark.scoring.score_samples import score_samples

    restored, images = _restored(config, run, label, seed, dataset)
    scores = []
    for variant in config.variants_of(label):
        if config.samples_of(label, variant) == 1:
            continue
        own = restored[restored["variant"] == variant]
        samples = _read_samples(run.samples(label, variant, seed, dataset), own)
        scores.append(score_samples(own, samples, images, ROOT, config.protocols))
    write_csv(pd.concat(scores), run.sample_scores(label, seed, dataset))


def _read_samples(path: Path, restored: pd.DataFrame) -> pd.DataFrame:
    """The table of a variant's further samples; empty if no image was restored."""
    if not path.exists() and not (restored["status"] == OK).any():
        return pd.DataFrame(columns=list(SAMPLES))
    return read_table(path, SAMPLES, AGAIN)


def _restored(
    config: Config, run: RunFolder, label: str, seed: int, dataset: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The restored images of all variants, and the test images of the run."""
    from benchmark.scoring.score import refuse_changed

    images = read_table(run.images, IMAGES, AGAIN)
    tested = images[images["dataset"] == dataset]
    tables = [
        _read_restored(run.restored(label, variant, seed, dataset), variant, tested)
        for variant in config.variants_of(label)
    ]
    return refuse_changed(pd.concat(tables, ignore_index=True), ROOT), images


def _read_restored(path: Path, variant: str, images: pd.DataFrame) -> pd.DataFrame:
    """The table of a variant's restored images, of which `images` are all.

    Raises UserError if it lacks an image, has one twice or another, or is of another variant.
    """
    table = read_table(path, RESTORED, AGAIN)
    found, listed = (kept.names(rows, IMAGE) for rows in (table, images))
    faults = {
        "has {} of another variant": found[table["variant"] != variant],
        "has {} twice": found[found.duplicated()],
        "has {}, which is not in images.csv": found[~found.isin(listed)],
        "lacks {}": listed[~listed.isin(found)],
    }
    for fault, names in faults.items():
        if len(names):
            raise UserError(f"{path} {fault.format(names.iloc[0])}; {AGAIN}.")
    return table
