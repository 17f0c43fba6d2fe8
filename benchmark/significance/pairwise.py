"""All pairs of methods scored on the same images by one metric, and the methods' ranks."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.significance.intervals import Array, Variance, seed_variance, stratified_mean
from benchmark.significance.paired_tests import ALPHA, Test, holm, paired_test, rank_ranges

Key = tuple[str, str]  # method, variant
SeedMeans = dict[int | str, float]  # one method's mean for each of its seeds


@dataclass(frozen=True, eq=False)
class PairedScores:
    """Scores of k methods on N images.

    keys: (method, variant). values: (N, k), means over seeds. pairs: (P, 2) indices into keys.
    differences: (N, P), first minus second; a column with a value that is not finite is NaN.
    photos, strata: (N,). seeds: the part of the variance of the P mean differences that comes from
    seeds.
    """

    keys: list[Key]
    values: Array
    pairs: NDArray[np.intp]
    differences: Array
    photos: NDArray[np.str_]
    strata: NDArray[np.str_] | None
    seeds: Variance

    @cached_property
    def test(self) -> Test:
        """The paired tests of all pairs; p is not corrected."""
        return paired_test(self.differences, self.photos, self.strata, self.seeds)

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
    with np.errstate(invalid="ignore"):  # the difference of two infinite values is NaN
        differences = table[:, pairs[:, 0]] - table[:, pairs[:, 1]]
    differences = np.where(np.isfinite(differences).all(axis=0), differences, np.nan)
    parts = [variance_from_seeds(keys[a], keys[b], seed_means) for a, b in pairs]
    seeds = Variance(
        np.array([part.value[0] for part in parts]), np.array([part.freedom[0] for part in parts])
    )
    strata = None if strata is None else np.asarray(strata, dtype=str)
    return PairedScores(
        keys, table, pairs, differences, np.asarray(photos, dtype=str), strata, seeds
    )


def variance_from_seeds(a: Key, b: Key, seed_means: dict[Key, SeedMeans]) -> Variance:
    """The variance that seeds add to the difference of two methods' means, a (1,) `Variance`.

    Variants of one method share its trainings, so their seeds are paired. Seeds of different
    methods are independent.
    """
    of_a, of_b = seed_means[a], seed_means[b]
    if a[0] == b[0] and of_a.keys() == of_b.keys():
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
