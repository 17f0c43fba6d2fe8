"""Every pair of methods that were scored on the same images by one metric, and their ranks."""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.significance.intervals import Array, Variance, seed_variance
from benchmark.significance.paired_tests import ALPHA, Test, holm, paired_test, rank_ranges

Key = tuple[str, str]  # method, variant
SeedMeans = dict[int | str, float]  # one method's mean for each of its seeds


class Contest(NamedTuple):
    """k methods on N images of some photos.

    keys: (method, variant). values: (N, k), means over seeds. pairs: (P, 2) indices into keys.
    differences: (N, P), first minus second; a column with one that is not finite is NaN. photos,
    strata: (N,). seeds: the variance of the P means of differences that comes from seeds.
    """

    keys: list[Key]
    values: Array
    pairs: NDArray[np.intp]
    differences: Array
    photos: NDArray[np.str_]
    strata: NDArray[np.str_] | None
    seeds: Variance

    def test(self) -> Test:
        """All paired tests, p not corrected."""
        return paired_test(self.differences, self.photos, self.strata, self.seeds)


def hold(
    values: dict[Key, Array],
    seed_means: dict[Key, SeedMeans],
    photos: Sequence[str],
    strata: Sequence[str] | None,
) -> Contest:
    """The contest of some methods: `values` (N,) of each without a missing one."""
    keys = list(values)
    pairs = np.array(list(combinations(range(len(keys)), 2)), dtype=np.intp).reshape(-1, 2)
    table = np.stack([values[key] for key in keys], axis=1)
    with np.errstate(invalid="ignore"):  # two infinite values leave the difference open
        differences = table[:, pairs[:, 0]] - table[:, pairs[:, 1]]
    differences = np.where(np.isfinite(differences).all(axis=0), differences, np.nan)
    parts = [seed_part(keys[a], keys[b], seed_means) for a, b in pairs]
    seeds = Variance(
        np.array([part.value[0] for part in parts]), np.array([part.freedom[0] for part in parts])
    )
    strata = None if strata is None else np.asarray(strata, dtype=str)
    return Contest(keys, table, pairs, differences, np.asarray(photos, dtype=str), strata, seeds)


def seed_part(a: Key, b: Key, seed_means: dict[Key, SeedMeans]) -> Variance:
    """What the seeds add to the variance of the difference of two means, a (1,) `Variance`.

    Variants of one method share its trainings, so their seeds are paired; others are independent.
    """
    of_a, of_b = seed_means[a], seed_means[b]
    if a[0] == b[0] and of_a.keys() == of_b.keys():
        return _of_seeds([of_a[seed] - of_b[seed] for seed in of_a])
    return _of_seeds(list(of_a.values())) + _of_seeds(list(of_b.values()))


def _of_seeds(means: list[float]) -> Variance:
    return seed_variance(np.array(means)[:, None])


def ranks(contest: Contest, lower_is_better: bool) -> dict[Key, tuple[int, int]]:
    """The first and last rank of every method, by paired tests corrected with Holm's method.

    Two methods are told apart only if the corrected p is below 5 %: all others are ties.
    """
    count = len(contest.keys)
    ahead = np.zeros((count, count), dtype=bool)
    if len(contest.pairs):
        test = contest.test()
        apart = holm(test.p) < ALPHA
        for (a, b), apart_, difference in zip(contest.pairs, apart, test.difference, strict=True):
            if apart_:
                winner, loser = (a, b) if (difference > 0) != lower_is_better else (b, a)
                ahead[winner, loser] = True
    first, last = rank_ranges(ahead)
    return {key: (int(first[i]), int(last[i])) for i, key in enumerate(contest.keys)}


def rank_text(first: int, last: int) -> str:
    """A range of ranks, such as `1–3` or `4`."""
    return str(first) if first == last else f"{first}–{last}"


def seed_means_of(means: pd.Series) -> dict[Key, SeedMeans]:
    """Means with the index (method, variant, seed) as a look-up by (method, variant)."""
    found: dict[Key, SeedMeans] = {}
    for (method, variant, seed), value in means.items():
        found.setdefault((method, variant), {})[seed] = float(value)
    return found
