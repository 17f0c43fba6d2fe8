"""Paired tests of methods on the same images, their correction for multiple tests, and ranks."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from benchmark.significance.bootstrap import Array, as_columns, photo_codes
from benchmark.significance.variances import (
    CONFIDENCE,
    Variance,
    cluster_variance,
    stratified_mean,
)

ALPHA = 1 - CONFIDENCE


class PairedTest(NamedTuple):
    """K paired tests, each a float64 array (K,).

    difference: the mean of a - b. effect: Cohen's d_z, that mean in standard deviations of the
    photos' differences. p: two-sided, of "no difference", not corrected. of_photos: the (K,)
    variance of the mean over photos.
    """

    difference: Array
    effect: Array
    p: Array
    of_photos: Variance


def paired_test(
    differences: ArrayLike,
    photos: ArrayLike,
    strata: ArrayLike | None = None,
    seeds: Variance | None = None,
) -> PairedTest:
    """The paired t test over photos: differences (N, K) or (N,), one row an image.

    strata, seeds: as in `mean_interval`; the variance from seeds is added to that from photos. A
    column with a value that is not finite is NaN. With one photo in a stratum, effect and p are
    NaN.
    """
    values = as_columns(differences)
    if not len(values):
        unknown = np.full(values.shape[1], np.nan)
        return PairedTest(unknown, unknown, unknown, Variance(unknown, unknown))
    values = np.where(np.isfinite(values).all(axis=0), values, np.nan)
    mean = stratified_mean(values, strata)
    codes = photo_codes(photos)
    of_photos = cluster_variance(values, codes, strata)
    whole = of_photos if seeds is None else of_photos + seeds
    noise = 1e-12 * np.abs(values).max(axis=0)  # rounding makes equal differences differ
    effect = _ratio(mean, np.sqrt(of_photos.value * (codes.max() + 1)), noise)
    t = _ratio(mean, np.sqrt(whole.value), noise)
    return PairedTest(mean, effect, 2 * stats.t.sf(np.abs(t), whole.dof), of_photos)


def _ratio(mean: Array, deviation: Array, noise: Array) -> Array:
    """mean / deviation; 0 if there is no difference, infinite if all differences are equal."""
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(deviation > noise, mean / deviation, np.sign(mean) * np.inf)
    ratio = np.where(np.abs(mean) <= noise, 0.0, ratio)
    return np.where(np.isnan(mean) | np.isnan(deviation), np.nan, ratio)


def holm(p: ArrayLike) -> Array:
    """p-values corrected by Holm's method; NaN stays NaN and does not count as a test.

    Own code, because statsmodels' `multipletests` runs the garbage collector on every call.
    """
    p = np.asarray(p, dtype=float)
    order = np.argsort(p)[: np.count_nonzero(~np.isnan(p))]  # NaN sorts last
    corrected = np.full_like(p, np.nan)
    stepped = np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1))
    corrected[order] = np.minimum(1, stepped)
    return corrected


def share_interval(shares: ArrayLike, photos: int) -> tuple[Array, Array]:
    """Wilson's interval of shares (K,) in [0, 1] that were observed over a number of photos: its
    low and its high ends, (K,) each.

    Shares of photos vary less than zeros and ones, so the interval is not too short. Unlike the
    bootstrap interval it has a width even if all photos have the same share.
    """
    from statsmodels.stats.proportion import proportion_confint

    counts = np.asarray(shares, dtype=float) * photos
    low, high = proportion_confint(counts, photos, ALPHA, method="wilson")
    return np.asarray(low), np.asarray(high)


def rank_ranges(better: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The first and last rank that each of k methods may have.

    better: (k, k), true if the row's method is significantly better than the column's. With Holm's
    correction all of these are right with a probability of 95 %; then all true ranks are in their
    ranges (Mogstad, Romano, Shaikh and Wilhelm, "Inference for Ranks", Review of Economic Studies
    2024).
    """
    return 1 + better.sum(axis=0), len(better) - better.sum(axis=1)
