"""Means over images with intervals over photos and seeds, and paired comparisons.

Photos. Several test images may be made from one photo (other weathers, other strengths), and they
are not independent. So photos, not images, are drawn with replacement: each draw takes all images
of a photo. The interval is the *expanded percentile* interval of Hesterberg, "What Teachers Should
Know About the Bootstrap", The American Statistician 69(4), 2015: the percentile interval read at
levels a little further out, because the plain one is too short for few photos (for 12 photos of a
normal quantity it covers 91 %, not 95 %). No levels help below `LEAST_PHOTOS` photos: a mean of
photos that were drawn from so few lies between their least and greatest value, and the true mean
often does not. There the interval is Student's, from the variance of the mean over photos.

Seeds. If a method was trained with several seeds, their means show how much the result of another
training would differ. They are too few to be drawn (two seeds have three different draws), so their
variance is added to that of the photos, with the degrees of freedom of Welch and Satterthwaite, and
the interval grows in that proportion. One seed says nothing about other trainings: its interval
holds for the one trained model.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from benchmark.significance.bootstrap import (
    RESAMPLES,
    Array,
    Resampled,
    as_columns,
    column_blocks,
    resample,
)
from benchmark.significance.variances import (
    CONFIDENCE,
    Variance,
    photo_variance,
    stratified_mean,
)

LEAST_PHOTOS = 6  # photos from which they are drawn; docs/statistics.md has the simulation


class Interval(NamedTuple):
    """The means of K columns and the ends of their intervals: float64 arrays (K,)."""

    mean: Array
    low: Array
    high: Array


def interval_levels(photos: int) -> tuple[float, float]:
    """The two levels in (0, 1) at which the expanded percentile interval is read.

    At these levels a normal approximation of the bootstrap is as wide as Student's t interval. The
    plain bootstrap is shorter: it uses the variance with 1/n and takes it for known.
    """
    t = stats.t.ppf((1 + CONFIDENCE) / 2, photos - 1)
    tail = float(stats.norm.cdf(-t * np.sqrt(photos / (photos - 1))))
    return tail, 1 - tail


def mean_interval(
    values: ArrayLike,
    photos: ArrayLike,
    generator: np.random.Generator,
    strata: ArrayLike | None = None,
    seeds: Variance | None = None,
    *,
    resamples: int = RESAMPLES,
) -> Interval:
    """Mean over images and its interval over photos and seeds, for K columns at once.

    values: (N, K) or (N,). photos: (N,) the photo each image was made from. generator: all columns
    share its draws, so a column's interval does not depend on which other columns there are.
    strata: (N,) weathers with equal weight; a photo is drawn for all weathers together. seeds: from
    `seed_variance`, if the values are means over several seeds; the interval over photos is then
    widened by the ratio of Student's half-widths with and without it.

    Below `LEAST_PHOTOS` photos in a stratum the interval is Student's, which may go beyond the
    values that a metric can have: see `cut`. With one photo in a stratum it is NaN. A column with
    an infinite value (PSNR of equal images) has an infinite mean, and both ends of its interval are
    that mean. A column with a missing value has no mean and no interval: a mean over some of the
    images is not comparable.
    """
    values = as_columns(values)
    if not len(values):
        empty = np.full(values.shape[1], np.nan)
        return Interval(empty, empty.copy(), empty.copy())
    drawn = resample(values, photos, generator, strata, resamples)
    mean = stratified_mean(values, strata)
    return interval_of(mean, drawn, photo_variance(values, photos, strata), seeds)


def interval_of(
    mean: Array,
    drawn: Resampled,
    of_photos: Variance,
    seeds: Variance | None = None,
) -> Interval:
    """`mean_interval` of columns that were resampled before.

    mean: (K,) `stratified_mean`. of_photos: (K,) `photo_variance`.
    """
    low, high = _unknown(mean)
    if drawn.kept is not None:
        finite = np.flatnonzero(drawn.places >= 0)
        if drawn.fewest < LEAST_PHOTOS:
            low[finite], high[finite] = _students(mean[finite], of_photos[finite])
        else:
            levels = interval_levels(drawn.photos)
            low[finite], high[finite] = _quantiles(drawn.kept, levels)
        if _has_spread(seeds):
            _widen(low, high, mean, of_photos, seeds)
    return Interval(mean, low, high)


def cut(interval: Interval, least: ArrayLike, greatest: ArrayLike) -> Interval:
    """Intervals without the values that their means cannot have.

    least, greatest: (K,) or one number for all; infinite for no limit. The true mean is within the
    limits, so what is cut off never held it and the coverage stays. An end that is within stays as
    it is; none crosses its mean, which rounding may put a little beyond a limit.
    """
    mean, low, high = interval
    low = np.where(low < least, np.minimum(least, mean), low)
    high = np.where(high > greatest, np.maximum(greatest, mean), high)
    return Interval(mean, low, high)


def difference_interval(
    difference: Array,
    drawn: Resampled,
    pairs: ArrayLike,
    of_photos: Variance,
    seeds: Variance | None = None,
) -> Interval:
    """The intervals of P differences between columns, from the columns' resampled means.

    difference: (P,) the mean differences; those that are not finite have no interval. pairs: (P, 2)
    the numbers of the two columns. of_photos: the (P,) `photo_variance` of the differences.
    """
    low, high = _unknown(np.where(np.isinf(difference), np.nan, difference))
    finite = np.isfinite(difference)
    if drawn.kept is not None and finite.any():
        if drawn.fewest < LEAST_PHOTOS:
            ends = _students(difference[finite], of_photos[finite])
        else:
            ends = _drawn_differences(drawn, np.asarray(pairs, dtype=np.intp)[finite])
        low[finite], high[finite] = ends
        if _has_spread(seeds):
            _widen(low, high, difference, of_photos, seeds)
    return Interval(difference, low, high)


def _drawn_differences(drawn: Resampled, pairs: NDArray[np.intp]) -> Array:
    """The ends (2, P) of the percentile intervals of differences between columns: pairs (P, 2)."""
    levels = interval_levels(drawn.photos)
    ends = np.empty((2, len(pairs)))
    assert drawn.kept is not None
    for part in column_blocks(len(pairs), drawn.kept.shape[1]):
        first, second = drawn.rows(pairs[part, 0]), drawn.rows(pairs[part, 1])
        noise = 1e-12 * np.abs(first).max(axis=1, keepdims=True, initial=0)
        first -= second
        first[np.abs(first) <= noise] = 0  # equal scores, summed in another order
        ends[:, part] = _quantiles(first, levels)
    return ends


def _students(mean: Array, of_photos: Variance) -> tuple[Array, Array]:
    """The ends of Student's intervals over photos."""
    half = of_photos.half_width()
    return mean - half, mean + half


def _has_spread(seeds: Variance | None) -> bool:
    return seeds is not None and bool((seeds.value > 0).any())


def _unknown(mean: Array) -> tuple[Array, Array]:
    """Ends of intervals that are not known: NaN, or the mean if it is infinite."""
    ends = np.where(np.isinf(mean), mean, np.nan)
    return ends, ends.copy()


def _quantiles(drawn: Array, levels: tuple[float, float]) -> Array:
    """The two quantiles of each row (K, resamples): (2, K). Resamples that are NaN do not count."""
    return np.concatenate(
        [
            (np.nanquantile if np.isnan(drawn[part]).any() else np.quantile)(
                drawn[part], levels, axis=1
            )
            for part in column_blocks(*drawn.shape)
        ],
        axis=1,
    )


def _widen(low, high, mean, of_photos: Variance, seeds: Variance) -> None:
    """Widen intervals over photos, in place, in columns where the seeds have a variance."""
    without = of_photos.half_width()
    whole = (of_photos + seeds).half_width()
    some = np.isfinite(mean) & (seeds.value > 0)
    # If all photos have the same value, the interval over photos has no width to multiply.
    alone = some & ~(without > 0)
    low[alone], high[alone] = mean[alone] - whole[alone], mean[alone] + whole[alone]
    some &= without > 0
    ratio = np.maximum(1, whole[some] / without[some])
    low[some] = mean[some] - (mean[some] - low[some]) * ratio
    high[some] = mean[some] + (high[some] - mean[some]) * ratio
