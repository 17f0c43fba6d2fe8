"""Paired tests, their correction, ranks: against SciPy and statsmodels, and by simulation."""

import numpy as np
import pytest
from scikit_posthocs import posthoc_nemenyi_friedman
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from benchmark.significance import pairwise
from benchmark.significance.friedman import rank_tests
from benchmark.significance.paired_tests import holm, paired_test, rank_ranges, share_interval
from benchmark.significance.variances import seed_variance


def names(count, images=1):
    return [f"p{number:03d}" for number in range(count) for _ in range(images)]


def paired(table, seed_means=None):
    """The paired scores of methods m0, m1, ..., the columns of (N, k); one image for each photo."""
    keys = [(f"m{number}", "default") for number in range(table.shape[1])]
    means = seed_means or {
        key: {"0": column.mean()} for key, column in zip(keys, table.T, strict=True)
    }
    values = dict(zip(keys, table.T, strict=True))
    return pairwise.pair_up(values, means, names(len(table)), None)


def test_agrees_with_scipys_paired_t_test():
    rng = np.random.default_rng(1)
    a, b = rng.normal(0.4, 1, 15), rng.normal(0, 1, 15)
    reference = stats.ttest_rel(a, b)
    found = paired_test(a - b, names(15))
    assert found.p[0] == pytest.approx(reference.pvalue)
    assert found.difference[0] == pytest.approx((a - b).mean())
    assert found.effect[0] == pytest.approx((a - b).mean() / (a - b).std(ddof=1))


def test_images_of_one_photo_count_as_one():
    rng = np.random.default_rng(2)
    difference = rng.normal(0.3, 1, 10)
    once, thrice = (
        paired_test(difference, names(10)),
        paired_test(np.repeat(difference, 3), names(10, 3)),
    )
    np.testing.assert_allclose(once[:3], thrice[:3])


def test_no_difference_is_no_difference_and_infinite_ones_are_open():
    found = paired_test(np.array([[0.0, 1.0, np.inf], [0.0, 1.0, 1.0]]), names(2))
    assert (found.difference[0], found.effect[0], found.p[0]) == (0, 0, 1)
    assert (found.difference[1], found.effect[1], found.p[1]) == (1, np.inf, 0)
    assert np.isnan([part[2] for part in found[:3]]).all()
    assert np.isnan(paired_test([1.0, 2.0], ["a", "a"]).p[0])
    assert np.isnan(paired_test([1.0, 2.0, 3.0], names(3), ["rain", "haze", "haze"]).p[0])


def test_holm_agrees_with_statsmodels_and_leaves_out_what_is_missing():
    np.testing.assert_allclose(holm([0.01, np.nan, 0.04, 0.03]), [0.03, np.nan, 0.06, 0.06])
    p = np.random.default_rng(7).beta(0.5, 5, 40)
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1])
    assert holm([]).shape == (0,)


def test_rank_ranges_by_hand():
    """0 is better than 1 and 2, which may tie. 2 is better than 3, but 1 and 3 may tie."""
    better = np.zeros((4, 4), dtype=bool)
    better[0, 1] = better[0, 2] = better[2, 3] = better[0, 3] = True
    first, last = rank_ranges(better)
    assert list(zip(first, last, strict=True)) == [(1, 1), (2, 4), (2, 3), (3, 4)]


def test_all_true_ranks_are_in_their_ranges_at_the_nominal_rate():
    """Six methods, three of which are equal: 400 runs, standard error 1.1 %."""
    rng, runs, hits, apart = np.random.default_rng(3), 400, 0, 0
    true = np.array([1.0, 0.4, 0.0, 0.0, 0.0, -0.4])
    possible = [(1, 1), (2, 2), (3, 5), (3, 5), (3, 5), (6, 6)]
    for _ in range(runs):
        table = true + rng.normal(0, 4, (12, 1)) + rng.normal(0, 0.2, (12, 6))
        found = paired(table).ranks(lower_is_better=False).values()
        hits += all(
            low <= first and last <= high
            for (low, high), (first, last) in zip(found, possible, strict=True)
        )
        apart += next(iter(found)) == (1, 1)
    assert hits / runs >= 0.92
    assert apart / runs > 0.9  # and the ranges are of use


def test_lower_is_better_turns_the_ranks_round():
    rng = np.random.default_rng(4)
    table = np.array([1.0, 2.0]) + rng.normal(0, 0.1, (12, 2))
    assert paired(table).ranks(True) == {
        ("m0", "default"): (1, 1),
        ("m1", "default"): (2, 2),
    }
    assert paired(table).ranks(False)[("m1", "default")] == (1, 1)


def test_seeds_that_differ_as_much_as_the_methods_leave_a_tie():
    table = np.array([1.0, 1.5]) + np.random.default_rng(5).normal(0, 0.1, (12, 2))
    a, b = ("m0", "default"), ("m1", "default")
    sure = {a: {"0": 1.0, "1": 1.01, "2": 0.99}, b: {"0": 1.5, "1": 1.51, "2": 1.49}}
    open_ = {a: {"0": 0.5, "1": 1.0, "2": 1.5}, b: {"0": 1.0, "1": 1.5, "2": 2.0}}
    assert paired(table, sure).ranks(False) == {a: (2, 2), b: (1, 1)}
    assert paired(table, open_).ranks(False) == {a: (1, 2), b: (1, 2)}


def test_variants_of_one_training_pair_their_seeds():
    """A lucky training helps both settings equally, so their difference does not vary."""
    means = {("m", "x"): {"0": 1.0, "1": 2.0}, ("m", "y"): {"0": 1.1, "1": 2.1}}
    assert pairwise.variance_from_seeds(("m", "x"), ("m", "y"), means).value[0] == pytest.approx(
        0, abs=1e-20
    )
    other = {("m", "x"): means[("m", "x")], ("n", "x"): means[("m", "y")]}
    both = pairwise.variance_from_seeds(("m", "x"), ("n", "x"), other)
    assert both.value[0] == pytest.approx(2 * seed_variance([[1.0], [2.0]]).value[0])


def test_false_claims_are_as_rare_as_said_with_seeds():
    """How often two equal methods of three seeds each differ significantly; 600 runs."""
    rng, runs, claims = np.random.default_rng(6), 600, 0
    a, b = ("m0", "default"), ("m1", "default")
    for _ in range(runs):
        seeds = rng.normal(0, 0.1, (3, 2))
        table = rng.normal(0, 3, (12, 1)) + rng.normal(0, 0.3, (12, 2)) + seeds.mean(axis=0)
        means = {key: dict(enumerate(table[:, i].mean() - seeds[:, i].mean() + seeds[:, i]))
                 for i, key in enumerate((a, b))}  # fmt: skip
        claims += paired(table, means).ranks(False)[a] != (1, 2)
    assert claims / runs <= 0.07


def test_average_ranks_give_each_weather_the_same_weight():
    """A photo has three images of rain and one of haze: haze decides, as it does on the board."""
    photos, strata = ["p", "q"] * 4, ["rain"] * 6 + ["haze"] * 2
    a, b = np.array([2.0] * 6 + [1.0] * 2), np.array([1.0] * 6 + [2.4] * 2)
    means = {("a", "default"): {"0": 0.0}, ("b", "default"): {"0": 0.0}}
    values = {("a", "default"): a, ("b", "default"): b}
    found = pairwise.pair_up(values, means, photos, strata)
    assert found.means() == pytest.approx([1.5, 1.7])
    assert list(rank_tests(found, lower_is_better=False).average) == [2, 1]
    plain = pairwise.pair_up(values, means, photos, None)
    assert list(rank_tests(plain, lower_is_better=False).average) == [1, 2]


def test_ranks_of_balanced_weathers_are_those_of_the_plain_mean():
    rng = np.random.default_rng(8)
    keys = [(name, "default") for name in "abcd"]
    values = {key: rng.normal(size=60) for key in keys}
    means = {key: {"0": 0.0} for key in keys}
    photos = [f"p{n:02d}" for n in range(12)] * 5
    strata = np.repeat(["rain", "haze", "snow", "mix", "raindrop"], 12)
    found, plain = (
        rank_tests(pairwise.pair_up(values, means, photos, each), lower_is_better=True)
        for each in (strata, None)
    )
    for one, other in zip(found, plain, strict=True):
        np.testing.assert_array_equal(one, other)


def test_nemenyis_p_values_are_those_of_scikit_posthocs():
    table = np.random.default_rng(9).normal([0.0, 0.3, 0.9, 1.0, 1.0], 1, (12, 5))
    found = paired(table)
    reference = posthoc_nemenyi_friedman(table).to_numpy()[tuple(found.pairs.T)]
    np.testing.assert_array_equal(rank_tests(found, lower_is_better=True).p_pairs, reference)


def test_share_interval_is_wilsons_and_has_a_width_at_one():
    low, high = found = share_interval(np.array([0.5, 1.0]), 12)
    reference = proportion_confint(np.array([6, 12]), 12, method="wilson")
    np.testing.assert_allclose(found, reference)
    assert 0.7 < low[1] < 0.8 and high[1] == pytest.approx(1)
