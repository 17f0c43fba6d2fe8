"""Pairs of methods, average ranks and their tables, by hand and against SciPy."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from typer.testing import CliRunner

from benchmark.board.pairs import COLUMNS, write_comparisons
from benchmark.board.pairs import compare_all as compare_table
from benchmark.board.score_table import ScoreTable
from benchmark.cli.app import app
from benchmark.report.figures.ranks import rank_diagram
from benchmark.results.schema import SCORES
from benchmark.results.tables import read_images, read_methods, read_scores
from tests.synthetic_run import card, make_run, score_rows

A, B, C = card("a"), card("b"), card("c")
METRICS = ["rgb/psnr", "lpips-alex/lpips"]


def compare_all(scores, cards, metrics):
    return compare_table(ScoreTable(scores, cards), metrics).tables()


def scores_of(table, seed=0, lpips=0.2, weather="rain"):
    """Scores from {card label: PSNR of each image}."""
    rows = [
        row
        for name, column in table.items()
        for number, psnr in enumerate(column)
        for row in score_rows(
            "set", weather, f"i{number:02d}", card(name), (psnr, 0.8, psnr, 0.8, lpips), seed
        )
    ]
    return pd.DataFrame(rows, columns=SCORES)


def test_a_pair_has_the_figures_of_scipy():
    rng = np.random.default_rng(1)
    a, b = rng.normal(26, 1, 12), rng.normal(25, 1, 12)
    pairs, _ = compare_all(scores_of({"a": a, "b": b}), [A, B], METRICS)
    assert tuple(pairs.columns) == COLUMNS
    row = pairs[(pairs["metric"] == "rgb/psnr") & (pairs["weather"] == "rain")].iloc[0]
    assert row["difference"] == pytest.approx((a - b).mean())
    assert row["p"] == row["p_holm"] == pytest.approx(stats.ttest_rel(a, b).pvalue)
    assert row["p_better"] == pytest.approx((a > b).mean())
    assert row["p_better_low"] < row["p_better"] < row["p_better_high"]
    assert row["difference_low"] < row["difference"] < row["difference_high"]
    same = pairs[(pairs["metric"] == "lpips-alex/lpips")].iloc[0]
    assert (same["difference"], same["p"], same["p_better"]) == (0, 1, 0.5)


def test_lower_lpips_is_better():
    scores = pd.concat([scores_of({"a": np.ones(6)}, lpips=0.1), scores_of({"b": np.ones(6)})])
    pairs, places = compare_all(scores, [A, B], ["lpips-alex/lpips"])
    assert (pairs["p_better"] == 1).all() and (pairs["difference"] < 0).all()
    assert list(places["method"]) == ["a", "b"] * 2
    assert list(places["rank_first"]) == list(places["average_rank"]) == [1, 2] * 2


def test_average_ranks_and_friedman_by_scipy():
    table = np.random.default_rng(2).normal([0.0, 0.5, 1.0], 1, (10, 3))
    names = ["a", "b", "c"]
    scores = scores_of(dict(zip(names, table.T, strict=True)))
    _, places = compare_all(scores, [A, B, C], ["rgb/psnr"])
    places = places[places["weather"] == "rain"].set_index("method")
    expected = stats.rankdata(-table, axis=1).mean(axis=0)
    np.testing.assert_allclose(places.loc[names, "average_rank"], expected)
    reference = stats.friedmanchisquare(*table.T)
    assert places["friedman"].iloc[0] == pytest.approx(reference.statistic)
    # Demšar 2006, table 5: q = 2.343 for three methods.
    critical = 2.343 * np.sqrt(3 * 4 / (6 * 10))
    assert places["critical_difference"].iloc[0] == pytest.approx(critical, abs=1e-3)


def test_improvement_is_over_all_pairs_of_independent_seeds():
    a = pd.concat([scores_of({"a": [20.0, 20.0]}), scores_of({"a": [30.0, 30.0]}, seed=1)])
    b = scores_of({"b": [25.0, 25.0]})
    pairs, _ = compare_all(pd.concat([a, b]), [A, B], ["rgb/psnr"])
    row = pairs.iloc[0]
    assert (row["p_better"], row["n_seeds_a"], row["n_seeds_b"]) == (0.5, 2, 1)
    assert row["difference"] == 0


def test_a_method_with_a_missing_score_is_in_no_pair():
    scores = scores_of({"a": [20.0, 21.0], "b": [22.0, 23.0], "c": [24.0, np.nan]})
    pairs, places = compare_all(scores, [A, B, C], ["rgb/psnr"])
    assert set(places["method"]) == {"a", "b"} and len(pairs) == 2
    assert places["p_friedman"].isna().all()  # two methods are too few


def test_the_verb_writes_both_files(tmp_path):
    run = tmp_path / "results" / "demo"
    make_run(run, photos=4, weathers=("rain", "haze"), side=8)
    done = CliRunner().invoke(app, ["comparisons", str(run)])
    assert done.exit_code == 0, done.output
    table = pd.read_csv(run / "comparisons.csv")
    assert set(table["weather"]) == {"all", "rain", "haze"} and len(set(table["metric"])) == 5
    text = (run / "comparisons.md").read_text()
    assert " | regression | 1 | " in text and "Friedman" in text
    assert "identity" not in text


def test_the_leaderboard_writes_the_same_comparisons(tmp_path):
    run = tmp_path / "results" / "demo"
    make_run(run, photos=4, weathers=("rain", "haze"), side=8)
    write_comparisons(run)
    alone = [(run / f"comparisons.{end}").read_bytes() for end in ("csv", "md")]
    for end in ("csv", "md"):
        (run / f"comparisons.{end}").unlink()
    done = CliRunner().invoke(app, ["leaderboard", str(run)])
    assert done.exit_code == 0, done.output
    assert [(run / f"comparisons.{end}").read_bytes() for end in ("csv", "md")] == alone


def test_nothing_to_compare_is_said(tmp_path):
    run = tmp_path / "results" / "demo"
    make_run(run, photos=1, weathers=("rain",), cards=[card("identity", control=True)], side=8)
    assert write_comparisons(run).empty
    assert "nothing to compare" in (run / "comparisons.md").read_text()
    make_run(run, photos=1, weathers=("rain",), cards=[card("a"), card("b"), card("c")], side=8)
    assert write_comparisons(run)["p_holm"].isna().all()  # of one photo
    assert "too few for Friedman" in (run / "comparisons.md").read_text()


def test_the_diagram_shows_every_method_with_its_rank(tmp_path):
    run = tmp_path / "results" / "demo"
    make_run(run, photos=5, weathers=("rain",), side=8)
    scores, methods, photos = read_scores(run), read_methods(run), read_images(run)
    drawn = rank_diagram(ScoreTable(scores, methods, photos), "test-set")
    texts = " ".join(text.get_text() for text in drawn.figure.axes[0].texts)
    assert "regression (1." in texts and "diffusion dpm-solver-10 (" in texts
    assert "identity" not in texts and "5 photos" in drawn.alt
    assert rank_diagram(ScoreTable(scores, methods[:3], photos), "test-set") is None
