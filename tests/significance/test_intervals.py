"""Intervals over photos and seeds, against SciPy, by hand, and by simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from benchmark.core.seeds import numpy_generator
from benchmark.significance.bootstrap import sum_by_photo
from benchmark.significance.intervals import (
    LEAST_PHOTOS,
    Interval,
    cut,
    interval_levels,
    mean_interval,
)
from benchmark.significance.variances import photo_variance, seed_variance, stratified_mean
from tools.interval_coverage import coverage, coverage_of_few


def generator(*parts):
    return numpy_generator("test", *parts)


def names(count, images=1):
    return [f"p{number:03d}" for number in range(count) for _ in range(images)]


def test_agrees_with_scipys_percentile_bootstrap_at_the_same_levels():
    values = np.random.default_rng(1).gamma(2.0, size=30)
    low_level, high_level = interval_levels(30)
    reference = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=40_000,
        confidence_level=high_level - low_level,
        method="percentile",
        random_state=np.random.default_rng(2),
    ).confidence_interval
    ours = mean_interval(values, names(30), generator(), resamples=40_000)
    assert ours.mean[0] == pytest.approx(values.mean())
    width = reference.high - reference.low
    assert ours.low[0] == pytest.approx(reference.low, abs=0.02 * width)
    assert ours.high[0] == pytest.approx(reference.high, abs=0.02 * width)


def test_images_of_one_photo_count_as_one():
    """Copies of every image add no information: the interval must not shrink."""
    values = np.random.default_rng(3).normal(size=20)
    once = mean_interval(values, names(20), generator())
    thrice = mean_interval(np.repeat(values, 3), names(20, 3), generator())
    np.testing.assert_allclose(once, thrice)


def test_interval_levels_match_students_interval():
    """At these levels a normal bootstrap with variance s² (n-1)/n has Student's half-width."""
    tail, _ = interval_levels(12)
    half_width = -stats.norm.ppf(tail) * np.sqrt(11 / 12)
    assert half_width == pytest.approx(stats.t.ppf(0.975, 11))
    assert interval_levels(100_000) == pytest.approx((0.025, 0.975), abs=1e-4)


@pytest.mark.parametrize("photos", [2, 3, 5])
def test_few_photos_have_students_interval(photos):
    """Images of a photo count as one, and strata alike, as with many photos."""
    values = np.random.default_rng(photos).normal(size=(photos, 3))
    reference = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    found = mean_interval(values, names(photos), generator())
    np.testing.assert_allclose([found.low, found.high], reference)
    thrice = mean_interval(np.repeat(values, 3, axis=0), names(photos, 3), generator())
    np.testing.assert_allclose(thrice, found)
    other = np.random.default_rng(7).normal(size=(photos, 3))
    strata = ["rain"] * photos + ["haze"] * photos
    both = mean_interval(np.vstack([values, other]), names(photos) * 2, generator(), strata)
    reference = stats.ttest_1samp((values + other) / 2, 0).confidence_interval(0.95)
    np.testing.assert_allclose([both.low, both.high], reference)


@pytest.mark.parametrize(("rain", "haze"), [(2, 3), (5, 4), (9, 7)])
def test_photos_of_strata_without_a_photo_in_common_are_independent(rain, haze):
    """The mean of two independent means, as in Welch's test of their difference."""
    rng = np.random.default_rng(rain)
    a, b = rng.normal(1, 1, rain), rng.normal(4, 3, haze)
    strata = ["rain"] * rain + ["haze"] * haze
    found = photo_variance(np.concatenate([a, b]), names(rain + haze), strata)
    reference = stats.ttest_ind(a, b, equal_var=False)
    assert found.dof[0] == pytest.approx(reference.df)
    welch = reference.confidence_interval(0.95)
    assert 2 * found.half_width()[0] == pytest.approx((welch.high - welch.low) / 2)


def test_strata_with_a_photo_in_common_are_one_group():
    """Two strata share photos, a third has photos of its own."""
    values = np.random.default_rng(4).normal(size=9)
    photos = ["a", "b", "c", "b", "c", "d", "e", "f", "g"]
    strata = ["rain"] * 3 + ["haze"] * 3 + ["snow"] * 3
    groups = [
        photo_variance(values[:6], photos[:6], strata[:6]),
        photo_variance(values[6:], photos[6:]),
    ]
    # Each stratum has a third of the weight; within its group, a half and all of it.
    expected = [groups[0].value[0] * (2 / 3) ** 2, groups[1].value[0] / 9]
    found = photo_variance(values, photos, strata)
    assert found.value[0] == pytest.approx(sum(expected))
    dof = sum(expected) ** 2 / (expected[0] ** 2 / 3 + expected[1] ** 2 / 2)
    assert found.dof[0] == pytest.approx(dof)


@pytest.mark.parametrize("rain", [1, 2, 11])
def test_a_stratum_with_one_photo_has_no_interval(rain):
    """Its value may be any other's on another photo, however many photos other strata have."""
    values = np.random.default_rng(6).normal(size=rain + 1)
    strata = ["rain"] * rain + ["haze"]
    for photos in (names(rain + 1), [*names(rain), "p000"]):
        found = mean_interval(values, photos, generator(), strata)
        assert np.isfinite(found.mean[0]) and np.isnan([found.low[0], found.high[0]]).all()


def test_few_photos_of_one_stratum_have_students_interval():
    rng = np.random.default_rng(9)
    values, strata = rng.normal(size=15), ["rain"] * 12 + ["haze"] * 3
    found = mean_interval(values, names(15), generator(), strata)
    half = photo_variance(values, names(15), strata).half_width()[0]
    assert found.high[0] - found.mean[0] == pytest.approx(half)


def test_seeds_never_make_students_interval_shorter():
    """Their degrees of freedom may be many more than those of two photos."""
    values, few = [1.0, 3.0], mean_interval([1.0, 3.0], names(2), generator())
    for means in ([[1.9], [2.0], [2.1]], [[0.0], [2.0], [9.0]]):
        found = mean_interval(values, names(2), generator(), seeds=seed_variance(means))
        assert found.low[0] <= few.low[0] and found.high[0] >= few.high[0]


def test_only_what_is_beyond_the_limits_is_cut_and_never_the_mean():
    mean = np.array([0.9, 0.9, 0.1, 1 + 1e-15, np.inf, np.nan])
    low = np.array([0.7, 0.8, -0.3, 0.9, np.inf, np.nan])
    high = np.array([1.1, 1.0, 0.5, 1.1, np.inf, np.nan])
    found = cut(Interval(mean, low, high), 0, [1, 1, 1, 1, np.inf, 1])
    np.testing.assert_array_equal(found.mean, mean)
    np.testing.assert_array_equal(found.low, [0.7, 0.8, 0, 0.9, np.inf, np.nan])
    np.testing.assert_array_equal(found.high, [1, 1, 0.5, 1 + 1e-15, np.inf, np.nan])


def test_enough_photos_are_drawn():
    """Below the bound the drawn interval is too short, at the bound it is nearly as Student's;
    2,000 runs, standard error 0.5 %."""
    values = np.random.default_rng(8).normal(size=LEAST_PHOTOS)
    drawn = mean_interval(values, names(LEAST_PHOTOS), generator())
    student = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert min(values) <= drawn.low[0] and drawn.low[0] != pytest.approx(student.low, rel=1e-6)
    for photos in (3, LEAST_PHOTOS - 1):
        of_student, of_drawn = coverage_of_few(photos, skewed=False)
        assert 0.93 <= of_student <= 0.97 and of_drawn < of_student - 0.02
    assert coverage_of_few(LEAST_PHOTOS, skewed=False)[1] > 0.92


@pytest.mark.parametrize(("photos", "images"), [(2, 3), (4, 1), (12, 1), (12, 3)])
def test_covers_the_true_mean_at_the_nominal_rate(photos, images):
    """600 runs: the standard error of a 95 % rate is 0.9 %, so [92 %, 98 %] is over 3 of them."""
    rng, hits, runs = np.random.default_rng(4), 0, 600
    for run in range(runs):
        level = rng.normal(size=photos)  # shared by the images of a photo
        values = np.repeat(level, images) + 0.2 * rng.normal(size=photos * images)
        found = mean_interval(values, names(photos, images), generator(run), resamples=999)
        hits += found.low[0] <= 0 <= found.high[0]
    assert 0.92 <= hits / runs <= 0.98


def test_strata_count_equally_and_share_their_photos():
    values = np.array([1.0, 3.0, 10.0])
    strata = ["rain", "rain", "haze"]
    assert stratified_mean(values, strata)[0] == pytest.approx((2 + 10) / 2)
    # Two weathers of the same photos with opposite scores: without spread if drawn together.
    half = np.random.default_rng(5).normal(size=15)
    joint = mean_interval(
        np.concatenate([half, -half]), names(15) * 2, generator(), ["a"] * 15 + ["b"] * 15
    )
    np.testing.assert_allclose([joint.mean, joint.low, joint.high], 0, atol=1e-12)


def test_resampled_means_by_hand():
    draws = np.array([[2.0, 0.0], [1.0, 1.0], [0.0, 2.0]])
    means = sum_by_photo([1.0, 2.0, 6.0], ["a", "a", "b"], None).means(draws)
    np.testing.assert_allclose(means[:, 0], [1.5, 3.0, 6.0])
    # Stratum y has no image of photo a, so the first resample gives NaN.
    means = sum_by_photo([1.0, 3.0, 6.0], ["a", "b", "b"], ["x", "x", "y"]).means(draws)
    np.testing.assert_allclose(means[:, 0], [np.nan, 4.0, 4.5])


def test_one_photo_has_no_interval():
    found = mean_interval([20.0, 22.0], ["a", "a"], generator())
    assert found.mean[0] == 21
    assert np.isnan(found.low[0]) and np.isnan(found.high[0])


def test_infinite_and_missing_values_stay_in_their_column():
    values = np.array([[30.0, np.inf, 1.0], [31.0, 40.0, np.nan], [29.0, np.inf, 2.0]])
    found = mean_interval(values, names(3), generator())
    alone = mean_interval(values[:, 0], names(3), generator())
    assert (found.low[0], found.high[0]) == (alone.low[0], alone.high[0])
    assert found.mean[1] == found.low[1] == found.high[1] == np.inf
    assert np.isnan([end[2] for end in found]).all()


def test_no_images_give_no_mean():
    found = mean_interval(np.zeros((0, 2)), [], generator())
    assert np.isnan(np.array(found)).all() and found.mean.shape == (2,)


def test_same_seed_same_interval_other_seed_other_interval():
    values = np.random.default_rng(6).normal(size=12)
    first, again = (mean_interval(values, names(12), generator("a")) for _ in range(2))
    assert first == again
    assert first.low != mean_interval(values, names(12), generator("b")).low


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=24), st.integers(1, 12))
def test_interval_is_in_order_and_of_drawn_photos_within_the_range(values, photos):
    photo = [f"p{number % photos}" for number in range(len(values))]
    found = mean_interval(values, photo, generator(), resamples=200)
    if len(set(photo)) > 1:
        slack = 1e-9 * (1 + max(map(abs, values)))
        assert found.low[0] <= found.mean[0] + slack and found.mean[0] <= found.high[0] + slack
        if len(set(photo)) >= LEAST_PHOTOS:
            assert min(values) - slack <= found.low[0] and found.high[0] <= max(values) + slack


@pytest.mark.parametrize(("seeds", "spread"), [(3, 0.3), (5, 0.5), (5, 2.0)])
def test_covers_the_true_mean_with_seeds_as_second_level(seeds, spread):
    """600 runs: the standard error of a 95 % rate is 0.9 %; photos alone cover far too little."""
    ours, photos_alone, _ = coverage(seeds, spread, runs=600)
    assert 0.92 <= ours <= 0.98
    assert photos_alone < (0.7 if spread > 1 else ours)


def test_one_seed_or_equal_seeds_leave_the_interval_of_the_photos():
    values = np.random.default_rng(41).normal(size=12)
    plain = mean_interval(values, names(12), generator())
    for means in ([[1.0]], [[1.0], [1.0]], [[np.inf], [1.0]]):
        seeds = seed_variance(means)
        assert mean_interval(values, names(12), generator(), seeds=seeds) == plain


def test_seeds_alone_give_students_interval():
    """Every photo has the same score, so only the seeds vary."""
    means = np.array([1.0, 2.0, 4.0])
    found = mean_interval(
        np.full(8, means.mean()), names(8), generator(), seeds=seed_variance(means[:, None])
    )
    reference = stats.ttest_1samp(means, 0).confidence_interval(0.95)
    assert (found.low[0], found.high[0]) == pytest.approx((reference.low, reference.high))


def test_variances_add_as_welch_and_satterthwaite_have_it():
    rng = np.random.default_rng(42)
    a, b = rng.normal(0, 1, 7), rng.normal(0, 3, 4)
    both = seed_variance(a[:, None]) + seed_variance(b[:, None])
    reference = stats.ttest_ind(a, b, equal_var=False)
    assert both.dof[0] == pytest.approx(reference.df)
    t = (a.mean() - b.mean()) / np.sqrt(both.value[0])
    assert t == pytest.approx(reference.statistic)


def test_photo_variance_is_that_of_the_photos_means():
    values = np.random.default_rng(43).normal(size=(12, 2))
    found = photo_variance(np.repeat(values, 3, axis=0), names(12, 3))
    np.testing.assert_allclose(np.sqrt(found.value), stats.sem(values))
