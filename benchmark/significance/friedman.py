"""Average ranks over photos, Friedman's test that all are equal, and Nemenyi's of each pair."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from benchmark.significance.intervals import Array
from benchmark.significance.paired_tests import ALPHA
from benchmark.significance.pairwise import Contest


class RankTests(NamedTuple):
    """average: (k,) ranks, 1 the best, over `photos` photos. statistic, p: Friedman's test.

    critical_difference: average ranks that are further apart differ (Nemenyi, 5 %). p_pairs:
    (P,) Nemenyi's p-values, corrected for the number of methods. Friedman's test takes three
    methods and two photos; with fewer all but the average ranks are NaN.
    """

    photos: int
    average: Array
    statistic: float
    p: float
    critical_difference: float
    p_pairs: Array


def rank_tests(contest: Contest, lower_is_better: bool) -> RankTests:
    """Rank the methods on each photo, by the mean over its images, and test the average ranks.

    Demšar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 7, 2006, with
    photos for his data sets. Ranks ask how often a method is better, not by how much.
    """
    values = contest.values if lower_is_better else -contest.values
    by_photo = pd.DataFrame(values).groupby(contest.photos).mean().to_numpy()
    photos, methods = by_photo.shape
    average = stats.rankdata(by_photo, axis=1).mean(axis=0)
    if methods < 3 or photos < 2:
        nothing = np.full(len(contest.pairs), np.nan)
        return RankTests(photos, average, np.nan, np.nan, np.nan, nothing)
    import scikit_posthocs

    with np.errstate(invalid="ignore", divide="ignore"):  # all methods alike: 0 / 0
        statistic, p = stats.friedmanchisquare(*by_photo.T)
    quantile = stats.studentized_range.ppf(1 - ALPHA, methods, np.inf) / np.sqrt(2)
    critical = quantile * np.sqrt(methods * (methods + 1) / (6 * photos))
    matrix = scikit_posthocs.posthoc_nemenyi_friedman(by_photo).to_numpy()
    p_pairs = matrix[contest.pairs[:, 0], contest.pairs[:, 1]]
    return RankTests(photos, average, float(statistic), float(p), float(critical), p_pairs)
