"""The restoring job of a run: one entry, variant, seed and data set.

Training is in `benchmark.jobs.train`: its imports take longer than most restoring jobs.
"""

from pathlib import Path

import pandas as pd

from benchmark.core.errors import WeightsMissing
from benchmark.core.paths import ROOT
from benchmark.jobs.isolation import Failure
from benchmark.restoring import dataset as restoring
from benchmark.results import schema, training_record
from benchmark.results.layout import AGAIN, RESTORED, RunFolder, write_csv
from benchmark.results.tables import IMAGES, read_table
from benchmark.scoring.metrics import storages_of
from benchmark.spec.build import build
from benchmark.spec.method import LearnedMethod
from benchmark.spec.run_config import Config

# If the training of an entry failed, its restoring fails with the same status.
TRAINING_ERRORS = {
    schema.FAILED: RuntimeError,
    schema.OUT_OF_MEMORY: MemoryError,
    schema.TIMED_OUT: TimeoutError,
    schema.WEIGHTS_MISSING: WeightsMissing,
}


def trained_weights(run: RunFolder, label: str, seed: int) -> tuple[Path, Exception | None]:
    """An entry's weight file, and the error that its training failed with, or None."""
    folder = run.training(label, seed)
    trained, failure = training_record.read(folder, AGAIN), None
    if trained["status"] != schema.OK:
        failure = TRAINING_ERRORS[trained["status"]](trained["reason"])
    return folder / "weights.safetensors", failure


def restore(
    config: Config, run: RunFolder, label: str, variant: str, seed: int, dataset: str
) -> None:
    """Restore the images of a data set and write the table of their files and cost."""
    table = run.restored(label, variant, seed, dataset)
    images = _images_of(run, dataset)
    method = build(config, label, seed)
    settings = method.Variant(**config.variants_of(label)[variant])
    file = failure = None
    if isinstance(method, LearnedMethod):
        file, failure = trained_weights(run, label, seed)
    weathers = config.weathers_of(label)
    storages = storages_of(config.protocols)
    job = restoring.Job(label, variant, seed, method, settings, file, weathers, storages)
    if failure:
        rows = restoring.failed_rows(job, images, failure)
    else:
        rows = restoring.restore(job, images, ROOT, ROOT / table.with_suffix(""))
        log = run.log("restore", label, variant, f"seed{seed}", dataset)
        failed = rows.status.isin((schema.FAILED, schema.OUT_OF_MEMORY, schema.TIMED_OUT))
        rows.loc[failed, "reason"] = rows.reason[failed].map(f"{{}} (log: {log})".format)
    write_csv(rows, table)


def write_failure(
    run: RunFolder, label: str, variant: str, seed: int, dataset: str, failure: Failure
) -> None:
    """Write the table of a restoring whose process was killed before it could write it."""
    log = run.log("restore", label, variant, f"seed{seed}", dataset)
    rows = _images_of(run, dataset)[["dataset", "weather", "image"]].assign(
        method=label,
        variant=variant,
        seed=seed,
        status=failure.status,
        reason=f"{failure.reason} (log: {log})",
    )
    write_csv(rows.reindex(columns=list(RESTORED)), run.restored(label, variant, seed, dataset))


def _images_of(run: RunFolder, dataset: str) -> pd.DataFrame:
    """The test images of a data set: columns `IMAGES`."""
    images = read_table(run.images, IMAGES, AGAIN)
    return images[images.dataset == dataset]
