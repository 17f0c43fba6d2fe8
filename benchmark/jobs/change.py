"""Measures how much a run's methods changed its test pictures in simulated weather."""

import pandas as pd

from benchmark.core.errors import UserError
from benchmark.core.paths import ROOT
from benchmark.restoring.change import usual_changes
from benchmark.restoring.photos import weights_checksum
from benchmark.results.layout import AGAIN, RESTORED, RunFolder
from benchmark.results.schema import IMAGE
from benchmark.results.tables import read_images, read_table
from benchmark.spec import registry
from benchmark.spec.run_config import Config


def measure(config: Config, run: RunFolder) -> pd.DataFrame:
    """The table of usual changes, columns `change.COLUMNS`, of the methods that restore photos.

    The pictures are those of the data set that the run trains on. Of each entry, the restorations
    with its first seed are read, which is the one for photos. Entries that the run has not restored
    are left out. Raises UserError if there is none.
    """
    images = read_images(run.path)
    if images is None:
        raise UserError(f"{run.images} is missing; run 'make benchmark' with this configuration.")
    parts = []
    for label in config.methods:
        method = registry.load(config.method_of(label))
        if method.sees_target or method.card.control:
            continue
        for variant in config.variants_of(label):
            for dataset in config.datasets:
                table = run.restored(label, variant, config.seeds_of(label)[0], dataset)
                if config.card_of(dataset) == config.train_on and table.is_file():
                    rows = read_table(table, RESTORED, AGAIN)
                    parts.append(rows.assign(weights=weights_checksum(config, run, label)))
    if not parts:
        raise UserError(f"{run.path} has no restored pictures; make the run first.")
    rows = pd.concat(parts).merge(images[[*IMAGE, "input"]], on=[*IMAGE])
    for name in ("input", "file"):
        rows[name] = [ROOT / path if path else None for path in rows[name]]
    return usual_changes(rows)
