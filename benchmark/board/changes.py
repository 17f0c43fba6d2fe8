"""What each method changes: its score minus the input's on the same images."""

import numpy as np
import pandas as pd

from benchmark.board.score_table import ScoreGroup
from benchmark.core.seeds import numpy_generator
from benchmark.significance.intervals import Variance, mean_interval
from benchmark.significance.pairwise import Key, seed_means_of, variance_from_seeds


def changes(group: ScoreGroup, metric: str, input_key: Key) -> pd.DataFrame:
    """Mean and 95 % interval of each method's score minus the input's, in the metric's unit.

    input_key: the control that returns the input. One row a method that is no control, by (method,
    variant); columns change, low and high. The interval is over photos and seeds, of the
    differences on the same images, so what makes some photos harder than others does not widen it.
    A row is NaN where a score is missing, and where one is infinite: PSNR of a clear input.
    """
    keys = pd.MultiIndex.from_tuples(group.ranked, names=["method", "variant"])
    scores = group.wide.reindex(columns=[(*key, metric) for key in (input_key, *keys)])
    values = scores.to_numpy()
    with np.errstate(invalid="ignore"):  # infinite minus infinite
        differences = values[:, 1:] - values[:, :1]
    differences = np.where(np.isfinite(differences).all(axis=0), differences, np.nan)
    seeds = seed_means_of(group.seed_means.xs(metric, level="metric"))
    parts = [variance_from_seeds(key, input_key, seeds) for key in keys]
    variance = Variance(
        np.concatenate([part.value for part in parts]),
        np.concatenate([part.freedom for part in parts]),
    )
    generator = numpy_generator("change", group.dataset, group.weather, metric)
    ends = mean_interval(differences, group.photos, generator, group.strata, variance)
    return pd.DataFrame({"change": ends.mean, "low": ends.low, "high": ends.high}, index=keys)
