"""Average ranks over photos, Friedman's test that they are equal, Nemenyi's test of each pair."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from benchmark.significance.bootstrap import Array
from benchmark.significance.paired_tests import ALPHA
from benchmark.significance.pairwise import PairedScores


class RankTests(NamedTuple):
    """Tests of k methods' average ranks over photos.

    photos: their number. average: (k,) ranks, 1 is best. statistic, p: Friedman's test.
    critical_difference: methods differ if their average ranks are further apart (Nemenyi, 5 %).
    p_pairs: (P,) Nemenyi's p-values, corrected for the number of methods. With fewer than three
    methods or two photos all but the average ranks are NaN.
    """

    photos: int
    average: Array
    statistic: float
    p: float
    critical_difference: float
    p_pairs: Array


def rank_tests(paired: PairedScores, lower_is_better: bool) -> RankTests:
    """Rank the methods on each photo, by the mean over its images, and test the average ranks.

    With strata, a photo's mean is that of its strata's means, so each weather counts the same, as
    on the board, however many images it has.

    Demšar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 7, 2006; his data
    sets are photos here. Ranks say how often a method is better, not by how much.
    """
    values = paired.values if lower_is_better else -paired.values
    by_photo = _means_of_photos(values, paired.photos, paired.strata)
    photos, methods = by_photo.shape
    average = stats.rankdata(by_photo, axis=1).mean(axis=0)
    if methods < 3 or photos < 2:
        missing = np.full(len(paired.pairs), np.nan)
        return RankTests(photos, average, np.nan, np.nan, np.nan, missing)
    with np.errstate(invalid="ignore", divide="ignore"):  # 0 / 0 if all methods are equal
        statistic, p = stats.friedmanchisquare(*by_photo.T)
    error = np.sqrt(methods * (methods + 1) / (6 * photos))
    quantile = stats.studentized_range.ppf(1 - ALPHA, methods, np.inf) / np.sqrt(2)
    apart = np.abs(average[paired.pairs[:, 0]] - average[paired.pairs[:, 1]]) / error
    p_pairs = stats.studentized_range.sf(apart * np.sqrt(2), methods, np.inf)
    return RankTests(photos, average, float(statistic), float(p), float(quantile * error), p_pairs)


def _means_of_photos(
    values: Array, photos: NDArray[np.str_], strata: NDArray[np.str_] | None
) -> Array:
    """The means (photos, k) of values (N, k), by the photos' names in order."""
    table = pd.DataFrame(values)
    if strata is not None:
        of_strata = table.groupby([photos, strata]).mean()
        table, photos = of_strata, of_strata.index.get_level_values(0)
    return table.groupby(photos).mean().to_numpy()
