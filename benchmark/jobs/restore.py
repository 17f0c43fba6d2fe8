"""The restoring job of a run: one entry, variant, seed and data set.

Training is in `benchmark.jobs.train`: its imports take longer than most restoring jobs.
"""

from pathlib import Path

import pandas as pd

from benchmark.core.paths import ROOT
from benchmark.jobs import kept
from benchmark.jobs.identity import Identity
from benchmark.jobs.isolation import Failure
from benchmark.jobs.outcome import failed, images_of, see
from benchmark.restoring import dataset as restoring
from benchmark.restoring.rows import failure_of
from benchmark.restoring.samples import draw
from benchmark.results import schema, training_record
from benchmark.results.layout import AGAIN, RunFolder, write_csv
from benchmark.scoring.metrics import storages_of
from benchmark.spec import sources
from benchmark.spec.build import build
from benchmark.spec.run_config import Config
from benchmark.spec.variant import Execution, split


def trained_weights(run: RunFolder, label: str, seed: int) -> tuple[Path, Failure | None]:
    """An entry's weight file, and how its training failed, or None.

    The path is absolute: a method may change the working folder before the file is read.
    """
    folder = run.training(label, seed)
    trained, failure = training_record.read(folder, AGAIN), None
    if trained["status"] != schema.OK:
        failure = Failure(trained["status"], trained["reason"])
    return (folder / "weights.safetensors").absolute(), failure


def restore(
    config: Config,
    run: RunFolder,
    label: str,
    variant: str,
    seed: int,
    dataset: str,
    identity: Identity,
    log: Path | None,
) -> pd.DataFrame | Failure:
    """Restore the images of a data set; returns the table of their files and cost.

    Images that an earlier job of the same identity has restored are not restored again, if they
    have not changed. The others then have no run time: it would be measured without the warm-up
    that a whole data set is.

    The images are written to the folder beside the table's place; `outcome.write_restored` writes
    the table. log: as there. A method that cannot be built is a Failure. Raises UserError if a
    part of the run is damaged or the disk is full.
    """
    out = ROOT / run.restored(label, variant, seed, dataset).with_suffix("")
    images = images_of(run, dataset)
    unit, sees_target = (
        (label, variant, seed, dataset),
        sources.sees_target(config.method_of(label)),
    )
    samples = config.samples_of(label, variant)
    earlier = kept.read_restored(run, unit, identity, images, sees_target)
    if samples > 1:
        samples_table = ROOT / run.samples(*unit)  # a method may change the working folder
        earlier, earlier_samples = kept.with_samples(earlier, samples_table, samples)
    file = failure = None
    if sources.learns(config.method_of(label)):
        file, failure = trained_weights(run, label, seed)
    try:
        method = build(config, label, seed)
        own, values = split(config.variants_of(label)[variant])
        settings, execution = method.Variant(**values), Execution(**own)
    except Exception as error:
        return Failure(**failure_of(error))
    if failure:
        return failed(unit, images, failure)
    weathers = config.weathers_of(label)
    storages = storages_of(config.protocols)
    job = restoring.Job(
        label, variant, seed, method, settings, file, weathers, storages, execution,
        config.restoring.batch_gib,
    )  # fmt: skip
    is_new = ~kept.names(images, schema.IMAGE).isin(kept.names(earlier, schema.IMAGE))
    rows = restoring.restore(job, images[is_new], ROOT, out)
    if samples > 1:
        rows, drawn = draw(job, rows, images[is_new], ROOT, out, samples)
        write_csv(pd.concat([earlier_samples, drawn]), samples_table)
    bad = rows.status.isin((schema.FAILED, schema.OUT_OF_MEMORY, schema.TIMED_OUT))
    rows.loc[bad, "reason"] = rows.reason[bad].map(lambda reason: f"{reason}{see(log)}")
    if is_new.all():
        return rows
    return kept.joined(earlier, rows.assign(seconds=float("nan")), images, schema.IMAGE)
