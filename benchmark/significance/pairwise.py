"""All pairs of methods scored on the same images by one metric, and the methods' ranks."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from benchmark.significance.bootstrap import Array, Resampled, column_blocks
from benchmark.significance.intervals import Interval, difference_interval
from benchmark.significance.paired_tests import ALPHA, PairedTest, holm, paired_test, rank_ranges
from benchmark.significance.variances import Variance, seed_variance, stratified_mean

Key = tuple[str, str]  # method, variant
SeedMeans = dict[int | str, float]  # one method's mean for each of its seeds


@dataclass(frozen=True, eq=False)
class PairedScores:
    """Scores of k methods on N images.

    keys: (method, variant). values: (N, k), means over seeds. pairs: (P, 2) indices into keys.
    photos, strata: (N,). seeds: the part of the variance of the P mean differences that comes from
    seeds.
    """

    keys: list[Key]
    values: Array
    pairs: NDArray[np.intp]
    photos: NDArray[np.str_]
    strata: NDArray[np.str_] | None
    seeds: Variance

    @cached_property
    def test(self) -> PairedTest:
        """The paired tests of all pairs, first minus second; p is not corrected.

        All differences of all images do not fit into memory, so they are tested in parts.
        """
        parts = [
            paired_test(self._differences(part), self.photos, self.strata, self.seeds[part])
            for part in column_blocks(len(self.pairs), len(self.values))
        ]
        *numbers, of_photos = zip(*parts, strict=True)
        return PairedTest(*map(np.concatenate, numbers), Variance.join(of_photos))

    def _differences(self, part: slice) -> Array:
        """First minus second of some pairs: (N, part); a column with a value that is not finite is
        NaN."""
        first, second = self.pairs[part].T
        with np.errstate(invalid="ignore"):  # the difference of two infinite values is NaN
            differences = self.values[:, first] - self.values[:, second]
        return np.where(np.isfinite(differences).all(axis=0), differences, np.nan)

    def intervals(self, drawn: Resampled, columns: ArrayLike) -> Interval:
        """The intervals of the mean differences of all pairs.

        drawn: the resampled means of the methods; columns: (k,) the columns there, by `keys`.
        """
        pairs = np.asarray(columns, dtype=np.intp)[self.pairs]
        test = self.test
        return difference_interval(test.difference, drawn, pairs, test.of_photos, self.seeds)

    @cached_property
    def p_holm(self) -> Array:
        """(P,) p-values, corrected by Holm's method for all pairs."""
        return holm(self.test.p)

    def ranks(self, lower_is_better: bool) -> dict[Key, tuple[int, int]]:
        """The first and last rank of every method that the paired tests leave open.

        Two methods differ only if the corrected p is below 5 %; all others are ties.
        """
        count = len(self.keys)
        better = np.zeros((count, count), dtype=bool)
        if len(self.pairs):
            significant = self.p_holm < ALPHA
            for (a, b), differ, difference in zip(
                self.pairs, significant, self.test.difference, strict=True
            ):
                if differ:
                    winner, loser = (a, b) if (difference > 0) != lower_is_better else (b, a)
                    better[winner, loser] = True
        first, last = rank_ranges(better)
        return {key: (int(first[i]), int(last[i])) for i, key in enumerate(self.keys)}

    def means(self) -> Array:
        """(k,) means of the methods, every stratum with equal weight."""
        return stratified_mean(self.values, self.strata)

    def ties_of_best(self, lower_is_better: bool) -> list[Key]:
        """The method with the best mean and those that are not significantly worse than it."""
        means = self.means()
        best = int(np.argmin(means) if lower_is_better else np.argmax(means))
        worse = {
            int(a + b - best)  # the other method of the pair
            for (a, b), p in zip(self.pairs, self.p_holm, strict=True)
            if best in (a, b) and p < ALPHA
        }
        return [key for number, key in enumerate(self.keys) if number not in worse]


def pair_up(
    values: dict[Key, Array],
    seed_means: dict[Key, SeedMeans],
    photos: Sequence[str],
    strata: Sequence[str] | None,
) -> PairedScores:
    """The paired scores of some methods: `values` (N,) of each, without a missing one."""
    keys = list(values)
    pairs = np.array(list(combinations(range(len(keys)), 2)), dtype=np.intp).reshape(-1, 2)
    table = np.stack([values[key] for key in keys], axis=1)
    parts = [variance_from_seeds(keys[a], keys[b], seed_means) for a, b in pairs]
    seeds = Variance.join(parts)
    strata = None if strata is None else np.asarray(strata, dtype=str)
    return PairedScores(keys, table, pairs, np.asarray(photos, dtype=str), strata, seeds)


def variance_from_seeds(a: Key, b: Key, seed_means: dict[Key, SeedMeans]) -> Variance:
    """The variance that seeds add to the difference of two methods' means, a (1,) `Variance`.

    Variants of one method share its trainings, so their seeds are paired. Seeds of different
    methods are independent.
    """
    return variance_of_difference(seed_means[a], seed_means[b], paired=a[0] == b[0])


def variance_of_difference(of_a: SeedMeans, of_b: SeedMeans, paired: bool) -> Variance:
    """The variance that seeds add to the difference of two means, a (1,) `Variance`.

    paired: whether equal seeds belong together. Then, if both have the same seeds, the differences
    are taken seed by seed; else the seeds are independent.
    """
    if paired and of_a.keys() == of_b.keys():
        return _variance([of_a[seed] - of_b[seed] for seed in of_a])
    return _variance(list(of_a.values())) + _variance(list(of_b.values()))


def _variance(means: list[float]) -> Variance:
    return seed_variance(np.array(means)[:, None])


def rank_text(first: int, last: int) -> str:
    """A range of ranks, such as `1–3` or `4`."""
    return str(first) if first == last else f"{first}–{last}"


def seed_means_of(means: pd.Series) -> dict[Key, SeedMeans]:
    """Means with the index (method, variant, seed) as a look-up by (method, variant)."""
    found: dict[Key, SeedMeans] = {}
    for (method, variant, seed), value in means.items():
        found.setdefault((method, variant), {})[seed] = float(value)
    return found
