"""Average ranks over photos, Friedman's test that they are equal, Nemenyi's test of each pair."""

from typing import NamedTuple

import numpy as np
import pandas as pd
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

    Demšar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 7, 2006; his data
    sets are photos here. Ranks say how often a method is better, not by how much.
    """
    values = paired.values if lower_is_better else -paired.values
    by_photo = pd.DataFrame(values).groupby(paired.photos).mean().to_numpy()
    photos, methods = by_photo.shape
    average = stats.rankdata(by_photo, axis=1).mean(axis=0)
    if methods < 3 or photos < 2:
        missing = np.full(len(paired.pairs), np.nan)
        return RankTests(photos, average, np.nan, np.nan, np.nan, missing)
    import scikit_posthocs

    with np.errstate(invalid="ignore", divide="ignore"):  # 0 / 0 if all methods are equal
        statistic, p = stats.friedmanchisquare(*by_photo.T)
    quantile = stats.studentized_range.ppf(1 - ALPHA, methods, np.inf) / np.sqrt(2)
    critical = quantile * np.sqrt(methods * (methods + 1) / (6 * photos))
    matrix = scikit_posthocs.posthoc_nemenyi_friedman(by_photo).to_numpy()
    p_pairs = matrix[paired.pairs[:, 0], paired.pairs[:, 1]]
    return RankTests(photos, average, float(statistic), float(p), float(critical), p_pairs)
