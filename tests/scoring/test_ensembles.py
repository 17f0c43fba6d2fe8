"""Scores of ensembles: closed forms of normal distributions, exact coverage, other libraries."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmark.core.checksum import checksum
from benchmark.core.image_io import write_png
from benchmark.results import schema
from benchmark.scoring import score_samples as score_samples_module
from benchmark.scoring.metrics import METRIC
from benchmark.scoring.metrics.ensembles import (
    central_interval,
    coverage,
    ensemble_scores,
    spread_skill,
)
from benchmark.scoring.score_samples import score_samples

RNG = np.random.default_rng(11)


def scores(samples, target, seed=0):
    """samples: (N, values). target: (values,)."""
    shaped = np.asarray(samples, np.uint8).reshape(len(samples), -1, 1, 1)
    truth = np.asarray(target, np.uint8).reshape(-1, 1, 1)
    return ensemble_scores(shaped, truth, np.random.default_rng(seed))


def normal(count, spread=1.0, values=200_000, deviation=20.0, seed=1):
    """Levels of samples and of the truth: normal about 128, samples `spread` times as wide."""
    rng = np.random.default_rng(seed)
    samples = rng.normal(128, spread * deviation, (count, values))
    return np.rint(samples).clip(0, 255), np.rint(rng.normal(128, deviation, values)).clip(0, 255)


@pytest.mark.parametrize("count", [2, 3, 8])
def test_a_calibrated_normal_ensemble(count):
    """CRPS of N(0, 1) is 1/√π for every N, spread/skill is 1, all ranks are equally frequent."""
    found = scores(*normal(count))
    assert found.crps == pytest.approx(20 / np.sqrt(np.pi), rel=0.01)
    assert spread_skill(found.variance, found.squared_error, count) == pytest.approx(1, abs=0.01)
    assert found.absolute_error == pytest.approx(20 * 2 / np.sqrt(np.pi), rel=0.01)
    assert found.ranks == pytest.approx(1 / (count + 1), abs=0.004)


def test_ensembles_that_are_too_sure_or_too_unsure():
    """A spread of s deviations: spread/skill is s √((N + 1) / (N + s²)), CRPS that of Gneiting."""
    for s in (0.3, 2.0):
        count = 10
        found = scores(*normal(count, spread=s))
        ratio = spread_skill(found.variance, found.squared_error, count)
        expected = np.sqrt((count + 1) / count * s**2 / (1 + s**2 / count))
        assert ratio == pytest.approx(expected, rel=0.01)
        # E|X - Y| - E|X - X'| / 2 with X ~ N(0, s²), Y ~ N(0, 1)
        closed = 20 * (np.sqrt(2 * (1 + s**2) / np.pi) - s / np.sqrt(np.pi))
        assert found.crps == pytest.approx(closed, rel=0.01)
        first, last, expected = central_interval(count)
        assert (coverage(found.ranks, first, last) < expected - 0.05) == (s < 1)


@pytest.mark.parametrize("count", [2, 5, 9])
def test_coverage_is_exact_for_exchangeable_values_with_many_ties(count):
    """Coarse levels, many of them 0: only random ranks of equal values give (k - j) / (N + 1)."""
    rng = np.random.default_rng(3)
    levels = np.maximum(0, rng.normal(2, 3, (count + 1, 200_000))).astype(int)
    found = scores(levels[:-1], levels[-1])
    for j, k in combinations(range(1, count + 1), 2):
        assert coverage(found.ranks, j, k) == pytest.approx((k - j) / (count + 1), abs=0.006)


def test_all_orders_of_few_values_give_the_exact_coverage():
    """Every assignment of N + 1 different values to samples and truth is equally likely."""
    values = np.array([10, 40, 70, 200])
    total = np.zeros(4)
    for truth in range(4):
        total += scores(np.delete(values, truth)[:, None], values[[truth]]).ranks
    assert total / 4 == pytest.approx([0.25] * 4)


def test_crps_by_loops_and_by_scoringrules():
    samples, target = RNG.integers(0, 256, (6, 50)), RNG.integers(0, 256, 50)
    pairs = sum(np.abs(a - b) for a in samples for b in samples) / (2 * 6 * 5)
    expected = (np.abs(samples - target).mean(axis=0) - pairs).mean()
    ours = scores(samples, target).crps
    assert ours == pytest.approx(expected, rel=1e-6)
    rules = pytest.importorskip("scoringrules")
    theirs = rules.crps_ensemble(target.astype(float), samples.T.astype(float), estimator="fair")
    assert ours == pytest.approx(theirs.mean(), rel=1e-6)


def test_equal_samples_have_no_spread_and_the_error_as_crps():
    target = RNG.integers(0, 256, 30)
    one = RNG.integers(0, 256, 30)
    found = scores(np.stack([one] * 4), target)
    error = np.abs(one - target).mean()
    assert (found.variance, found.crps) == pytest.approx((0, error))
    assert found.absolute_error == pytest.approx(error)
    with pytest.raises(ValueError, match="two samples"):
        scores(one[None], target)


@pytest.mark.parametrize(
    ("count", "expected"), [(2, 1 / 3), (5, 4 / 6), (8, 7 / 9), (18, 17 / 19), (19, 0.9), (39, 0.9)]
)
def test_the_interval_reaches_90_percent_only_from_19_samples_on(count, expected):
    first, last, covered = central_interval(count)
    assert covered == pytest.approx(expected) and last == count + 1 - first
    assert (covered >= 0.9 - 1e-12) == (count >= 19)
    assert stats.randint(1, count + 2).cdf(last) - stats.randint(1, count + 2).cdf(first) == (
        pytest.approx(covered)
    )


@pytest.fixture
def drawn(tmp_path):
    """Two images with three samples each, and their tables."""
    rows, samples, images = [], [], []
    for number, image in enumerate("ab"):
        name = {"dataset": "set", "weather": "rain", "image": image}
        for part in ("target", 0, 1, 2):
            seed = [number, 9 if part == "target" else part]
            pixels = np.random.default_rng(seed).integers(0, 256, (40, 48, 3), dtype=np.uint8)
            write_png(tmp_path / f"{image}{part}.png", pixels)
        rows.append({**name, "method": "m", "variant": "v", "seed": "0", "status": "ok",
                     "file": f"{image}0.png", "reason": ""})  # fmt: skip
        images.append({**name, "target": f"{image}target.png"})
        samples += [
            {**name, "sample": k, "file": f"{image}{k}.png",
             "sha256": checksum(tmp_path / f"{image}{k}.png")}
            for k in (1, 2)
        ]  # fmt: skip
    return pd.DataFrame(rows), pd.DataFrame(samples), pd.DataFrame(images), tmp_path


def test_rows_of_an_images_samples(drawn):
    table = score_samples(*drawn, ["rgb", "lpips-alex"])
    assert tuple(table.columns) == schema.SAMPLE_SCORES and set(table.status) == {"ok"}
    of_a = table[table.image == "a"].set_index("metric")["value"]
    assert {*of_a.index} == {
        "variance", "squared_error", "crps", "absolute_error", "rank-0", "rank-1", "rank-2",
        "rank-3", "mean/rgb/psnr", "mean/rgb/ssim", "mean/lpips-alex/lpips", "diversity",
    }  # fmt: skip
    assert of_a.filter(like="rank").sum() == pytest.approx(1)
    assert set(table.samples) == {3}
    psnr = METRIC["rgb/psnr"]
    mean_psnr = 10 * np.log10(255**2 / of_a["squared_error"])
    assert of_a["mean/rgb/psnr"] == pytest.approx(mean_psnr, abs=0.01)  # of the rounded mean
    assert of_a["mean/rgb/psnr"] > 0 and psnr.unit == "dB"
    pd.testing.assert_frame_equal(table, score_samples(*drawn, ["rgb", "lpips-alex"]))


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ("status", "failed", "why"),
        ("target", "skipped", schema.NO_TARGET),
        ("file", "failed", "changed after it was restored"),
        ("samples", "failed", "its samples are missing"),
    ],
)
def test_an_image_whose_samples_cannot_be_scored_has_a_reason(drawn, change, status, reason):
    rows, samples, images, root = drawn
    if change == "status":
        rows.loc[0, ["status", "reason"]] = ["failed", "why"]
    elif change == "target":
        images.loc[0, "target"] = ""
    elif change == "file":
        write_png(root / "a1.png", np.zeros((40, 48, 3), np.uint8))
    else:
        samples = samples[samples.image != "a"]
    table = score_samples(rows, samples, images, root, ["rgb"])
    (row,) = table[table.image == "a"].itertuples()
    assert (row.status, row.metric) == (status, "") and reason in row.reason
    assert set(table[table.image == "b"].status) == {"ok"}


def test_a_metric_without_a_value_leaves_the_others(drawn, tmp_path, weights_in):
    weights_in(tmp_path / "no weights")
    table = score_samples(*drawn, ["rgb", "lpips-alex"])
    without = table[table.status != "ok"]
    assert set(without.metric) == {"mean/lpips-alex/lpips", "diversity"}
    assert set(without.status) == {"weights-missing"} and without.value.isna().all()
    assert without.reason.str.contains("dvc pull").all()
    assert len(table) - len(without) == 2 * 10


@pytest.mark.parametrize("place", ["ensemble_scores", "pairwise"])
def test_too_little_memory_is_a_status(drawn, monkeypatch, place):
    def full(*_):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate ...")

    monkeypatch.setattr(score_samples_module, place, full)
    table = score_samples(*drawn, ["rgb", "lpips-alex"])
    bad = table[table.status != "ok"]
    assert set(bad.status) == {"out-of-memory"} and bad.reason.str.startswith("scoring: ").all()
    assert set(bad.metric) == ({""} if place == "ensemble_scores" else {"diversity"})
