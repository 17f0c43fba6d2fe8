"""Means over images, and the variances that photos and seeds give them."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from benchmark.significance.bootstrap import (
    Array,
    as_columns,
    column_blocks,
    fewest_photos,
    photo_codes,
    stratum_codes,
)

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

    If all photos have equally many images in each stratum, it is s²/n of the photos' means. Strata
    without a photo in common are independent: their variances are added. NaN if a stratum has one
    photo only, which says nothing about the others of its kind.
    """
    return cluster_variance(values, photo_codes(photos), strata)


def cluster_variance(
    values: ArrayLike, photo: NDArray[np.intp], strata: ArrayLike | None = None
) -> Variance:
    """`photo_variance` by the number of each image's photo (N,), from `photo_codes`."""
    values = as_columns(values)
    codes = stratum_codes(strata, len(values))
    if fewest_photos(photo, codes) < 2:
        unknown = np.full(values.shape[1], np.nan)
        return Variance(unknown, np.full(len(unknown), float(photo.max())))
    groups = _groups(photo, codes)
    blocks = column_blocks(values.shape[1], len(values))
    return Variance.join(
        [_sum_over_groups(_deviations(values[:, part], photo, codes), groups) for part in blocks]
    )


def _sum_over_groups(shares: Array, groups: NDArray[np.intp]) -> Variance:
    """The variance (K,) from how much each photo changes the mean, (photos, K): the sum over the
    groups of photos, which are independent."""
    parts = []
    for group in range(groups.max() + 1):
        own = shares[groups == group]
        value = len(own) / (len(own) - 1) * (own**2).sum(axis=0)
        parts.append(Variance(value, np.full(len(value), len(own) - 1.0)))
    return reduce(operator.add, parts)


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


def _groups(photo: NDArray[np.intp], codes: NDArray[np.intp]) -> NDArray[np.intp]:
    """The group of each photo: photos of one stratum are in one, and so are strata with a photo in
    common."""
    photos, strata = photo.max() + 1, codes.max() + 1
    edges = coo_array((np.ones(len(photo)), (photo, photos + codes)), shape=[photos + strata] * 2)
    return connected_components(edges, directed=False)[1][:photos]


def _deviations(values: Array, photo: NDArray[np.intp], codes: NDArray[np.intp]) -> Array:
    """How much each photo changes the stratified mean: (photos, K)."""
    weight = 1 / (np.bincount(codes)[codes] * (codes.max() + 1))
    centres = np.stack([values[codes == s].mean(axis=0) for s in range(codes.max() + 1)])
    shares = np.zeros((photo.max() + 1, values.shape[1]))
    with np.errstate(invalid="ignore"):  # infinite values have no deviation
        np.add.at(shares, photo, weight[:, None] * (values - centres[codes]))
    return shares
