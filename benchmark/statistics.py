"""Means over images with intervals from a bootstrap over photos, and paired comparisons.

Several test images may be made from one photo (other weathers, other strengths), and such images
are alike. So photos, not images, are drawn with replacement: each draw takes all images of a photo.

The interval is the *expanded percentile* interval of Hesterberg, "What Teachers Should Know About
the Bootstrap", The American Statistician 69(4), 2015: the percentile interval read at levels a
little further out, because the plain one is too short for few photos (it covers 91 %, not 95 %, at
12 photos of a normal quantity).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

CONFIDENCE = 0.95
RESAMPLES = 9999
Array = NDArray[np.float64]


class Interval(NamedTuple):
    """A mean and its interval, one entry a column: each a float64 array (K,)."""

    mean: Array
    low: Array
    high: Array


class Comparison(NamedTuple):
    """The mean of a − b, its interval, and the two-sided p-value of 'no difference'; floats."""

    difference: float
    low: float
    high: float
    p: float


def draw_photos(photos: int, generator: np.random.Generator, resamples: int = RESAMPLES) -> Array:
    """How often each photo is in each resample: (resamples, photos); a row adds up to `photos`."""
    return generator.multinomial(photos, np.full(photos, 1 / photos), size=resamples).astype(float)


def interval_levels(photos: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The two levels in (0, 1) at which the expanded percentile interval is read.

    They make a normal approximation of the bootstrap as wide as Student's t interval: the bootstrap
    uses the variance with 1/n and no allowance for its being estimated.
    """
    t = stats.t.ppf((1 + confidence) / 2, photos - 1)
    tail = float(stats.norm.cdf(-t * np.sqrt(photos / (photos - 1))))
    return tail, 1 - tail


def stratified_mean(values: ArrayLike, strata: ArrayLike | None = None) -> Array:
    """Mean of (N, K) over images; with `strata` (N,) the plain mean of the strata's means: (K,)."""
    values = _columns(values)
    codes = _codes(strata, len(values))
    return np.mean([values[codes == s].mean(axis=0) for s in range(codes.max() + 1)], axis=0)


def resampled_means(
    values: ArrayLike, photos: ArrayLike, draws: Array, strata: ArrayLike | None = None
) -> Array:
    """The stratified mean in every resample: (resamples, K).

    values: (N, K) finite or NaN, one row an image; a NaN makes its whole column NaN. photos: (N,)
    names; their sorted order is the order of `draws`' columns. A resample that happens to hold no
    image of some stratum says nothing about the mean and is NaN.
    """
    values = _columns(values)
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
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
) -> Interval:
    """Mean over images and its interval over photos, for K columns at once.

    values: (N, K) or (N,). photos: (N,) the photo each image was made from. generator: all columns
    share its draws, so a column's interval does not depend on which other columns there are.
    strata: (N,) weathers that count equally, their photos being drawn jointly.

    With one photo there is no interval: it is NaN. A column with an infinite value (PSNR of equal
    images) has an infinite mean, and both ends of its interval are that mean. A column with a
    missing value is NaN throughout: a mean over a part of the images is not a mean over them.
    """
    values = _columns(values)
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
    return Interval(mean, low, high)


def compare_paired(
    a: ArrayLike,
    b: ArrayLike,
    photos: ArrayLike,
    generator: np.random.Generator,
    strata: ArrayLike | None = None,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
) -> Comparison:
    """Compare two methods on the same images; a, b, photos (N,) in the same order.

    The interval is that of `mean_interval` for a − b. The p-value is of a sign-flip permutation
    test over photos: without a difference, swapping the two methods on a photo changes nothing. Its
    least possible value is 1 / (resamples + 1). Where a difference is not finite, all are NaN.
    """
    difference = np.asarray(a, dtype=float) - np.asarray(b, dtype=float)
    if not np.isfinite(difference).all():
        return Comparison(np.nan, np.nan, np.nan, np.nan)
    options = {"confidence": confidence, "resamples": resamples}
    mean, low, high = mean_interval(difference, photos, generator, strata, **options)
    names, photo = np.unique(np.asarray(photos, dtype=str), return_inverse=True)
    codes = _codes(strata, len(difference))
    weight = 1 / (np.bincount(codes)[codes] * (codes.max() + 1))
    share = np.bincount(photo, weights=difference * weight, minlength=len(names))
    flipped = generator.choice([-1.0, 1.0], size=(resamples, len(names))) @ share
    tolerance = 1e-12 * np.abs(share).sum()  # equal sums may differ in their last bits
    extreme = np.count_nonzero(np.abs(flipped) >= abs(share.sum()) - tolerance)
    p = (extreme + 1) / (resamples + 1)
    return Comparison(float(mean[0]), float(low[0]), float(high[0]), float(p))


def _columns(values: ArrayLike) -> Array:
    values = np.asarray(values, dtype=float)
    return values[:, None] if values.ndim == 1 else values


def _codes(strata: ArrayLike | None, length: int) -> NDArray[np.intp]:
    if strata is None:
        return np.zeros(length, dtype=np.intp)
    return np.unique(np.asarray(strata, dtype=str), return_inverse=True)[1]
