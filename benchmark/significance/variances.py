"""Means over images, and the variances that photos and seeds give them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from benchmark.significance.bootstrap import Array, as_columns, column_blocks, stratum_codes

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Variance:
    """The estimated variance of K means, and its degrees of freedom (dof): float64 arrays (K,).

    Variances of independent means are added with `+`, which gives the degrees of freedom of Welch
    and Satterthwaite.
    """

    value: Array
    dof: Array

    def __add__(self, other: "Variance") -> "Variance":
        value = self.value + other.value
        with np.errstate(invalid="ignore", divide="ignore"):
            spread = self.value**2 / self.dof + other.value**2 / other.dof
            dof = np.where(spread > 0, value**2 / spread, self.dof)
        return Variance(value, dof)

    def __getitem__(self, columns: ArrayLike) -> "Variance":
        """The variances of some of the means."""
        return Variance(self.value[columns], self.dof[columns])

    @staticmethod
    def join(parts: "Sequence[Variance]") -> "Variance":
        """The variances of several parts, or of none, one after the other."""
        return Variance(
            np.concatenate([[], *(part.value for part in parts)]),
            np.concatenate([[], *(part.dof for part in parts)]),
        )

    def half_width(self) -> Array:
        """Half the width of Student's interval."""
        return stats.t.ppf((1 + CONFIDENCE) / 2, self.dof) * np.sqrt(self.value)


def stratified_mean(values: ArrayLike, strata: ArrayLike | None = None) -> Array:
    """Mean of (N, K) over images; with `strata` (N,) the plain mean of the strata's means: (K,)."""
    values = as_columns(values)
    codes = stratum_codes(strata, len(values))
    inside = [codes == stratum for stratum in range(codes.max() + 1)]
    return np.concatenate(
        [
            np.mean([values[rows, part].mean(axis=0) for rows in inside], axis=0)
            for part in column_blocks(values.shape[1], len(values))
        ]
    )


def photo_variance(
    values: ArrayLike, photos: ArrayLike, strata: ArrayLike | None = None
) -> Variance:
    """The variance (K,) of `stratified_mean` over photos: each photo is a cluster of images.

    If all photos have equally many images, it is s²/n of the photos' means. NaN for one photo.
    """
    values = as_columns(values)
    return Variance.join(
        [
            _photo_variance(values[:, part], photos, strata)
            for part in column_blocks(values.shape[1], len(values))
        ]
    )


def _photo_variance(values: Array, photos: ArrayLike, strata: ArrayLike | None) -> Variance:
    shares, count = _deviations(values, photos, strata)
    dof = np.full(values.shape[1], float(count - 1))
    if count < 2:
        return Variance(np.full(values.shape[1], np.nan), dof)
    return Variance(count / (count - 1) * (shares**2).sum(axis=0), dof)


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
    codes = stratum_codes(strata, len(values))
    weight = 1 / (np.bincount(codes)[codes] * (codes.max() + 1))
    centres = np.stack([values[codes == s].mean(axis=0) for s in range(codes.max() + 1)])
    shares = np.zeros((len(names), values.shape[1]))
    with np.errstate(invalid="ignore"):  # infinite values have no deviation
        np.add.at(shares, photo, weight[:, None] * (values - centres[codes]))
    return shares, len(names)
