"""Uncertainty on the board: spread and error, coverage, intervals over photos, the same answer."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmark.board import ensembles as of_samples
from benchmark.board.ensembles import ensembles
from benchmark.board.uncertainty import ONE_ANSWER, read_uncertainty
from benchmark.board.write import read_board, write_leaderboard
from benchmark.core.errors import UserError
from benchmark.core.seeds import numpy_generator
from benchmark.report.build import build_report
from benchmark.report.figures.coverage import coverage
from benchmark.results.schema import SAMPLE_SCORES
from benchmark.results.tables import read_images, read_methods, read_sample_scores
from benchmark.scoring.metrics.ensembles import ensemble_scores, spread_skill
from benchmark.significance.bootstrap import resample, resample_tables
from benchmark.significance.intervals import interval_levels, mean_interval
from tests.synthetic_run import add_samples, make_run


def rows_of(count, images=12, spread=1.0, weather="rain", seed="0", values=3000):
    """Rows of images whose samples and truth are normal; samples are `spread` times as wide."""
    rng, rows = np.random.default_rng(len(weather)), []
    for image in range(images):
        scale = rng.uniform(5, 20)  # of an image: some are harder than others
        samples = rng.normal(128, spread * scale, (count, values, 1, 1)).round().clip(0, 255)
        truth = rng.normal(128, scale, (values, 1, 1)).round().clip(0, 255)
        found = ensemble_scores(samples.astype(np.uint8), truth.astype(np.uint8), rng)
        numbers = {n: getattr(found, n) for n in ("variance", "squared_error", "crps")}
        numbers |= {f"rank-{rank}": share for rank, share in enumerate(found.ranks)}
        names = ("set", weather, f"p{image}", "m", "v", seed, count)
        rows += [(*names, metric, value, "ok", "") for metric, value in numbers.items()]
    return pd.DataFrame(rows, columns=SAMPLE_SCORES)


def test_a_calibrated_method_has_a_ratio_of_1_and_the_expected_coverage():
    found = {each.weather: each for each in ensembles(rows_of(8), None)}["all"]
    ratio, low, high = (end[0] for end in found.spread_skill())
    assert low < 1 < high and ratio == pytest.approx(1, abs=0.03)
    expected, covered = found.coverages()
    assert expected == pytest.approx([7 / 9, 5 / 9, 3 / 9, 1 / 9])
    assert covered.mean == pytest.approx(expected, abs=0.02)
    nominal, (mean, low, high) = found.coverage()
    assert nominal == pytest.approx(7 / 9) and low[0] <= mean[0] <= high[0]


def test_a_method_that_is_too_sure_is_found_out():
    found = next(ensembles(rows_of(8, spread=0.4), None))
    assert found.spread_skill().high[0] < 0.6
    nominal, covered = found.coverage()
    assert covered.high[0] < nominal - 0.2


def test_photos_are_drawn_once_for_all_intervals(monkeypatch):
    """And each interval is bit for bit that of draws of its own."""
    drawn = []

    def counted(tables, *arguments):
        drawn.append(len(tables))
        return resample_tables(tables, *arguments)

    monkeypatch.setattr(of_samples, "resample_tables", counted)
    found = next(ensembles(rows_of(8), None))
    ratio, crps, (_, nominal), (_, all_) = (
        found.spread_skill(), found.crps(), found.coverage(), found.coverages()
    )  # fmt: skip
    assert len(drawn) == 1
    values = found.values[["crps", "variance", "squared_error"]].to_numpy()
    ranks = found.values[[f"rank-{rank}" for rank in range(9)]].to_numpy()
    covered = np.stack([ranks[:, j : 9 - j].sum(axis=-1) for j in range(1, 5)], axis=1)
    draw = lambda: numpy_generator("samples", "set", "all")  # noqa: E731
    for interval, own in ((crps, values[:, :1]), (nominal, covered[:, :1]), (all_, covered)):
        alone = mean_interval(own, found.photos, draw(), found.strata)
        np.testing.assert_array_equal(interval, alone)
    means = resample(values[:, 1:], found.photos, draw(), found.strata).rows([0, 1])
    ends = np.quantile(spread_skill(*means, 8), interval_levels(12))
    assert (ratio.low[0], ratio.high[0]) == tuple(ends)


@pytest.mark.parametrize("photos", [2, 4])
def test_few_photos_have_students_interval(photos):
    """It holds the truth, 1, as often as it says: 300 runs, standard error 1.3 %."""
    found = next(ensembles(rows_of(4, images=photos), None))
    crps = stats.ttest_1samp(found.values["crps"], 0).confidence_interval(0.95)
    interval = found.crps()
    assert (interval.low[0], interval.high[0]) == pytest.approx((max(0, crps.low), crps.high))
    rng, hits = np.random.default_rng(photos), 0
    for _ in range(300):
        scale = rng.uniform(5, 20, photos) ** 2
        spread, error = scale * rng.gamma(30, size=(2, photos)) / 30
        values = found.values.assign(variance=spread, squared_error=error * 5 / 4)
        low, high = replace(found, values=values).spread_skill()[1:]
        hits += low[0] <= 1 <= high[0]
    assert 0.88 <= hits / 300 <= 0.99


def test_variances_are_averaged_before_the_root_and_photos_are_drawn():
    rows = rows_of(4, images=6)
    found = next(ensembles(rows, None))
    wide = rows.pivot(index="image", columns="metric", values="value").astype(float)
    expected = np.sqrt(5 / 4 * wide.variance.mean() / wide.squared_error.mean())
    assert found.spread_skill().mean[0] == pytest.approx(expected)
    images = pd.DataFrame({"dataset": "set", "weather": "rain", "image": wide.index, "photo": "p"})
    alone = next(ensembles(rows, images))
    assert np.isnan(alone.spread_skill().low[0]) and np.isnan(alone.crps().low[0])


def test_weathers_count_alike_and_seeds_are_averaged():
    rows = pd.concat([rows_of(4, 3), rows_of(4, 6, weather="haze")])
    found = {each.weather: each for each in ensembles(rows, None)}
    assert list(found) == ["all", "rain", "haze"]
    both = (found["rain"].mean("crps") + found["haze"].mean("crps")) / 2
    assert found["all"].mean("crps") == pytest.approx(both)
    again = rows_of(4, 3, seed="1").assign(value=lambda t: t["value"] * 3)
    twice = {e.weather: e for e in ensembles(pd.concat([rows_of(4, 3), again]), None)}
    assert twice["rain"].mean("crps") == pytest.approx(2 * found["rain"].mean("crps"))


def test_an_image_that_was_not_scored_leaves_no_value():
    rows = rows_of(4, 3)
    bad = dict(zip(SAMPLE_SCORES, ("set", "rain", "p9", "m", "v", "0", 1, "", np.nan, "failed",
                                   "why"), strict=True))  # fmt: skip
    found = next(ensembles(pd.concat([rows, pd.DataFrame([bad])]), None))
    assert found.reason == "failed: why (1 images)"
    assert np.isnan(found.mean("crps")) and not found.one_answer


def test_a_metric_that_was_not_scored_leaves_the_others():
    rows = rows_of(4, 3)
    bad = dict(zip(SAMPLE_SCORES, ("set", "rain", rows["image"].iloc[0], "m", "v", "0", 4,
                                   "mean/rgb/ssim", np.nan, "failed", "too small"),
                   strict=True))  # fmt: skip
    found = next(ensembles(pd.concat([rows, pd.DataFrame([bad])]), None))
    assert found.reason == "" and found.mean("crps") > 0
    assert np.isnan(found.mean("mean/rgb/ssim"))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples") / "results" / "demo"
    make_run(folder, photos=3, weathers=("rain", "haze"), side=16)
    add_samples(folder)
    add_samples(folder, ("regression", "default"), 3, same=True)
    write_leaderboard(folder)
    return folder


def test_the_board_has_a_table_of_uncertainty(run):
    table = read_uncertainty(run)
    assert list(table.weather.unique()) == ["all", "rain", "haze"]
    of_all = table[table.weather == "all"].set_index("method")
    assert bool(of_all.one_answer["regression"]) and np.isnan(of_all.crps["regression"])
    row = of_all.loc["diffusion"]
    board = read_board(run).table
    one = board[(board.weather == "all") & (board.variant == "ddim-4")]["rgb/psnr"].iloc[0]
    assert (row["rgb/psnr"], row["mean/rgb/psnr"]) == (pytest.approx(one), 30)
    assert row.coverage_expected == pytest.approx(3 / 5)
    assert row.spread_skill_low < row.spread_skill < row.spread_skill_high
    text = (run / "leaderboard.md").read_text()
    assert "## Uncertainty" in text and ONE_ANSWER in text
    assert f"{one:.2f} → 30.00" in text and "/ 0.600 |" in text and "nan" not in text


def test_the_figure_has_the_coverage_of_every_central_interval(run):
    found = [*ensembles(read_sample_scores(run), read_images(run))]
    axes = coverage(found, read_methods(run), "test-set").figure.axes[0]
    (points,) = axes.containers
    assert points.lines[0].get_xdata() == pytest.approx([3 / 5, 1 / 5])
    assert points.get_label() == "diffusion ddim-4, 4 samples"
    assert coverage([e for e in found if e.one_answer], read_methods(run), "test-set") is None


def test_the_report_shows_the_table_and_the_maps(run):
    report = build_report(run).parent
    assert "Spread / error" in (report / "index.html").read_text()
    page = (report / "images" / "test-set--rain--photo00.html").read_text()
    assert f"It gave {ONE_ANSWER}" in page.replace("&#39;", "'")
    maps = sorted(path.name for path in (report / "uncertainty").iterdir())
    assert len(maps) == 2 * 6  # spread and error of six images
    assert all(f"../uncertainty/{name}" in page for name in maps if "rain--photo00" in name)


def test_a_board_that_is_older_than_its_samples_is_refused(tmp_path):
    folder = tmp_path / "results" / "demo"
    make_run(folder, photos=3, weathers=("rain",), side=16)
    write_leaderboard(folder)
    add_samples(folder)
    with pytest.raises(UserError, match=r"sample_scores.csv changed"):
        read_board(folder)
    write_leaderboard(folder)
    (folder / "sample_scores.csv").unlink()
    write_leaderboard(folder)
    assert read_uncertainty(folder) is None
