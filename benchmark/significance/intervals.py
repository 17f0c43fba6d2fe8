"""Means over images with intervals over photos and seeds, and paired comparisons.

Photos. Several test images may be made from one photo (other weathers, other strengths), and they
are not independent. So photos, not images, are drawn with replacement: each draw takes all images
of a photo. The interval is the *expanded percentile* interval of Hesterberg, "What Teachers Should
Know About the Bootstrap", The American Statistician 69(4), 2015: the percentile interval read at
levels a little further out, because the plain one is too short for few photos (for 12 photos of a
normal quantity it covers 91 %, not 95 %).

Seeds. If a method was trained with several seeds, their means show how much the result of another
training would differ. They are too few to be drawn (two seeds have three different draws), so their
variance is added to that of the photos, with the degrees of freedom of Welch and Satterthwaite, and
the interval grows in that proportion. One seed says nothing about other trainings: its interval
holds for the one trained model.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

CONFIDENCE = 0.95
RESAMPLES = 9999
Array = NDArray[np.float64]


class Interval(NamedTuple):
    """The means of K columns and the ends of their intervals: float64 arrays (K,)."""

    mean: Array
    low: Array
    high: Array


@dataclass(frozen=True)
class Variance:
    """The estimated variance of K means, and its degrees of freedom: float64 arrays (K,).

    Variances of independent means are added with `+`, which gives the degrees of freedom of Welch
    and Satterthwaite.
    """

    value: Array
    freedom: Array

    def __add__(self, other: "Variance") -> "Variance":
        value = self.value + other.value
        with np.errstate(invalid="ignore", divide="ignore"):
            spread = self.value**2 / self.freedom + other.value**2 / other.freedom
            freedom = np.where(spread > 0, value**2 / spread, self.freedom)
        return Variance(value, freedom)

    def half_width(self, confidence: float = CONFIDENCE) -> Array:
        """Half the width of Student's interval."""
        return stats.t.ppf((1 + confidence) / 2, self.freedom) * np.sqrt(self.value)


def draw_photos(photos: int, generator: np.random.Generator, resamples: int = RESAMPLES) -> Array:
    """How often each photo is in each resample: (resamples, photos); each row sums to `photos`."""
    return generator.multinomial(photos, np.full(photos, 1 / photos), size=resamples).astype(float)


def interval_levels(photos: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The two levels in (0, 1) at which the expanded percentile interval is read.

    At these levels a normal approximation of the bootstrap is as wide as Student's t interval. The
    plain bootstrap is shorter: it uses the variance with 1/n and takes it for known.
    """
    t = stats.t.ppf((1 + confidence) / 2, photos - 1)
    tail = float(stats.norm.cdf(-t * np.sqrt(photos / (photos - 1))))
    return tail, 1 - tail


def stratified_mean(values: ArrayLike, strata: ArrayLike | None = None) -> Array:
    """Mean of (N, K) over images; with `strata` (N,) the plain mean of the strata's means: (K,)."""
    values = as_columns(values)
    codes = _codes(strata, len(values))
    return np.mean([values[codes == s].mean(axis=0) for s in range(codes.max() + 1)], axis=0)


def resampled_means(
    values: ArrayLike, photos: ArrayLike, draws: Array, strata: ArrayLike | None = None
) -> Array:
    """The stratified mean in every resample: (resamples, K).

    values: (N, K) finite or NaN, one row an image; a NaN makes its whole column NaN. photos: (N,)
    names; their sorted order is the order of `draws`' columns. A resample without an image of some
    stratum is NaN.
    """
    values = as_columns(values)
    names, photo = np.unique(np.asarray(photos, dtype=str), return_inverse=True)
    codes = _codes(strata, len(values))
    means = np.zeros((len(draws), values.shape[1]))
    for stratum in range(codes.max() + 1):
        inside = codes == stratum
        sums = np.zeros((len(names), values.shape[1]))
        np.add.at(sums, photo[inside], values[inside])
        images = draws @ np.bincount(photo[inside], minlength=len(names))
        with np.errstate(invalid="ignore", divide="ignore"):
            means += (draws @ sums) / images[:, None]
    return means / (codes.max() + 1)


def mean_interval(
    values: ArrayLike,
    photos: ArrayLike,
    generator: np.random.Generator,
    strata: ArrayLike | None = None,
    seeds: Variance | None = None,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
) -> Interval:
    """Mean over images and its interval over photos and seeds, for K columns at once.

    values: (N, K) or (N,). photos: (N,) the photo each image was made from. generator: all columns
    share its draws, so a column's interval does not depend on which other columns there are.
    strata: (N,) weathers with equal weight; a photo is drawn for all weathers together. seeds: from
    `seed_variance`, if the values are means over several seeds; the interval over photos is then
    widened by the ratio of Student's half-widths with and without it.

    With one photo the interval is NaN. A column with an infinite value (PSNR of equal images) has
    an infinite mean, and both ends of its interval are that mean. A column with a missing value has
    no mean and no interval: a mean over some of the images is not comparable.
    """
    values = as_columns(values)
    if not len(values):
        empty = np.full(values.shape[1], np.nan)
        return Interval(empty, empty.copy(), empty.copy())
    mean = stratified_mean(values, strata)
    low, high = np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    count = len(np.unique(np.asarray(photos, dtype=str)))
    finite = np.isfinite(mean)
    low[np.isinf(mean)] = high[np.isinf(mean)] = mean[np.isinf(mean)]
    if count > 1 and finite.any():
        draws = draw_photos(count, generator, resamples)
        means = resampled_means(values[:, finite], photos, draws, strata)
        levels = interval_levels(count, confidence)
        low[finite], high[finite] = np.nanquantile(means, levels, axis=0)
        if seeds is not None and (seeds.value > 0).any():
            _widen(low, high, mean, photo_variance(values, photos, strata), seeds, confidence)
    return Interval(mean, low, high)


def _widen(low, high, mean, of_photos: Variance, seeds: Variance, confidence: float) -> None:
    """Widen intervals over photos, in place, in columns where the seeds have a variance."""
    without = of_photos.half_width(confidence)
    whole = (of_photos + seeds).half_width(confidence)
    some = np.isfinite(mean) & (seeds.value > 0)
    # If all photos have the same value, the interval over photos has no width to multiply.
    alone = some & ~(without > 0)
    low[alone], high[alone] = mean[alone] - whole[alone], mean[alone] + whole[alone]
    some &= without > 0
    ratio = np.maximum(1, whole[some] / without[some])
    low[some] = mean[some] - (mean[some] - low[some]) * ratio
    high[some] = mean[some] + (high[some] - mean[some]) * ratio


def photo_variance(
    values: ArrayLike, photos: ArrayLike, strata: ArrayLike | None = None
) -> Variance:
    """The variance (K,) of `stratified_mean` over photos: each photo is a cluster of images.

    If all photos have equally many images, it is s²/n of the photos' means. NaN for one photo.
    """
    values = as_columns(values)
    shares, count = _deviations(values, photos, strata)
    freedom = np.full(values.shape[1], float(count - 1))
    if count < 2:
        return Variance(np.full(values.shape[1], np.nan), freedom)
    return Variance(count / (count - 1) * (shares**2).sum(axis=0), freedom)


def seed_variance(means: ArrayLike) -> Variance:
    """The variance of the mean over seeds, from each seed's mean: (S, K) to (K,).

    It is 0 for one seed (nothing is known about others) and for means that are not finite.
    """
    means = np.asarray(means, dtype=float)
    count, columns = means.shape
    if count < 2:
        return Variance(np.zeros(columns), np.full(columns, np.inf))
    with np.errstate(invalid="ignore"):
        value = means.var(axis=0, ddof=1) / count
    return Variance(np.where(np.isfinite(value), value, 0.0), np.full(columns, count - 1.0))


def _deviations(values: Array, photos: ArrayLike, strata: ArrayLike | None) -> tuple[Array, int]:
    """How much each photo changes the stratified mean (photos, K), and the number of photos."""
    names, photo = np.unique(np.asarray(photos, dtype=str), return_inverse=True)
    codes = _codes(strata, len(values))
    weight = 1 / (np.bincount(codes)[codes] * (codes.max() + 1))
    centres = np.stack([values[codes == s].mean(axis=0) for s in range(codes.max() + 1)])
    shares = np.zeros((len(names), values.shape[1]))
    with np.errstate(invalid="ignore"):  # infinite values have no deviation
        np.add.at(shares, photo, weight[:, None] * (values - centres[codes]))
    return shares, len(names)


def as_columns(values: ArrayLike) -> Array:
    values = np.asarray(values, dtype=float)
    return values[:, None] if values.ndim == 1 else values


def _codes(strata: ArrayLike | None, length: int) -> NDArray[np.intp]:
    if strata is None:
        return np.zeros(length, dtype=np.intp)
    return np.unique(np.asarray(strata, dtype=str), return_inverse=True)[1]
