"""The scoring job of a run: all variants of one entry, seed and data set."""

import pandas as pd

from benchmark.core.paths import ROOT
from benchmark.results.layout import AGAIN, RESTORED, RunFolder, write_csv
from benchmark.results.tables import IMAGES, read_table
from benchmark.spec.run_config import Config


def score(config: Config, run: RunFolder, label: str, seed: int, dataset: str) -> None:
    """Score the restored images of all variants of an entry.

    All variants are one job, because the start of a job takes as long as scoring fifty images.
    """
    from benchmark.scoring.score import refuse_changed, score_restored

    restored = pd.concat(
        [
            read_table(run.restored(label, variant, seed, dataset), RESTORED, AGAIN)
            for variant in config.variants_of(label)
        ],
        ignore_index=True,
    )
    images = read_table(run.images, IMAGES, AGAIN)
    scores = score_restored(refuse_changed(restored, ROOT), images, ROOT, config.protocols)
    write_csv(scores, run.scores(label, seed, dataset))
