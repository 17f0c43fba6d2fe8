"""Draws of photos, in blocks and at full size, and what is computed from one set of draws."""

import tracemalloc

import numpy as np
import pytest

from benchmark.core.seeds import numpy_generator
from benchmark.significance import bootstrap
from benchmark.significance.bootstrap import draw_blocks, draw_photos, resample, resample_tables
from benchmark.significance.intervals import difference_interval, interval_of, mean_interval
from benchmark.significance.paired_tests import paired_test
from benchmark.significance.variances import photo_variance, seed_variance


def generator(*parts):
    return numpy_generator("test", *parts)


@pytest.mark.parametrize("photos", [7, bootstrap.FEW + 1])
def test_draws_are_multinomial(photos):
    """Each count has the mean 1 and the variance 1 - 1/n; two counts the covariance -1/n."""
    draws = draw_photos(photos, generator(), 4000)
    assert draws.shape == (4000, photos) and (draws.sum(axis=1) == photos).all()
    assert draws.mean(axis=0) == pytest.approx(1, abs=0.1)
    assert draws.var(axis=0).mean() == pytest.approx(1 - 1 / photos, rel=0.02)
    covariance = np.cov(draws.T)
    between = (covariance.sum() - np.trace(covariance)) / (photos * (photos - 1))
    assert between == pytest.approx(-1 / photos, rel=0.05)


@pytest.mark.parametrize("photos", [12, 150])
def test_blocks_are_the_draws_of_one_call(photos, monkeypatch):
    monkeypatch.setattr(bootstrap, "BLOCK_BYTES", 8 * photos * 3)
    blocks = list(draw_blocks(photos, generator(), 10))
    assert [len(block) for block in blocks] == [3, 3, 3, 1]
    np.testing.assert_array_equal(np.concatenate(blocks), draw_photos(photos, generator(), 10))


def test_memory_does_not_grow_with_photos_times_resamples():
    """All draws at once would take 160 MB."""
    values = np.random.default_rng(0).normal(size=(4000, 2))
    tracemalloc.start()
    resample(values, [f"{n:05d}" for n in range(4000)], generator(), resamples=5000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * bootstrap.BLOCK_BYTES


@pytest.mark.parametrize("images", [20, 8])  # two of a photo; four photos are too few to draw
def test_difference_of_resampled_means_is_the_mean_of_resampled_differences(monkeypatch, images):
    """One set of draws serves means and differences; in parts, as many pairs need."""
    monkeypatch.setattr(bootstrap, "BLOCK_BYTES", 8 * 9999 * 2)
    values = np.random.default_rng(1).normal(size=(images, 4))
    photos = [f"p{n // 2:02d}" for n in range(images)]
    strata, seeds = ["x", "y"] * (images // 2), seed_variance(np.array([[0.0] * 3, [0.2] * 3]))
    pairs = np.array([[0, 1], [2, 1], [0, 3]])
    differences = values[:, pairs[:, 0]] - values[:, pairs[:, 1]]
    expected = mean_interval(differences, photos, generator(), strata, seeds)
    drawn = resample(values, photos, generator(), strata)
    test = paired_test(differences, photos, strata)
    found = difference_interval(test.difference, drawn, pairs, test.of_photos, seeds)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    means = mean_interval(values, photos, generator(), strata)
    of_photos = photo_variance(values, photos, strata)
    np.testing.assert_array_equal(interval_of(means.mean, drawn, of_photos), means)


@pytest.mark.parametrize("photos", [1, 4, 12, 150])
def test_tables_that_share_their_draws_have_the_means_that_each_has_alone(photos):
    rng = np.random.default_rng(photos)
    names = [f"{n:03d}" for n in range(photos)] * 2
    strata = ["x"] * photos + ["y"] * photos
    tables = [rng.gamma(2.0, size=(2 * photos, columns)) for columns in (1, 2, 5, 1)]
    tables[2][0, 1], tables[3][0, 0] = np.inf, np.nan  # some columns without means, and a table
    found = resample_tables(tables, names, generator(), strata)
    for values, drawn in zip(tables, found, strict=True):
        alone = resample(values, names, generator(), strata)
        assert drawn.photos == alone.photos == photos
        np.testing.assert_array_equal(drawn.places, alone.places)
        assert (drawn.kept is None) == (alone.kept is None)
        if drawn.kept is not None:
            np.testing.assert_array_equal(drawn.kept, alone.kept)


def test_differences_that_are_not_finite_have_no_interval():
    values = np.random.default_rng(2).normal(size=(5, 3))
    values[2, 1] = np.inf
    drawn = resample(values, list("abcde"), generator())
    with np.errstate(invalid="ignore"):
        test = paired_test(values[:, [0, 0]] - values[:, [1, 2]], list("abcde"))
    found = difference_interval(test.difference, drawn, [[0, 1], [0, 2]], test.of_photos)
    assert np.isnan([found.low[0], found.high[0]]).all()
    assert found.low[1] < found.mean[1] < found.high[1]


def test_equal_methods_differ_by_exactly_nothing():
    values = np.repeat(np.random.default_rng(3).normal(30, 3, size=(200, 1)), 3, axis=1)
    drawn = resample(values, [f"{n:03d}" for n in range(200)], generator())
    test = paired_test(values[:, :1] - values[:, 1:2], [f"{n:03d}" for n in range(200)])
    found = difference_interval(test.difference, drawn, [[0, 1]], test.of_photos)
    assert found.low[0] == found.high[0] == 0
