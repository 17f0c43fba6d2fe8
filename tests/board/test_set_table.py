"""Scores of sets on the board: the jackknife's intervals and tests, `all`, seeds, no value."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmark.board.aggregate import set_values
from benchmark.board.pairs import COLUMNS, compare_sets
from benchmark.board.set_table import set_groups
from benchmark.board.write import read_board, write_leaderboard
from benchmark.core.errors import UserError
from benchmark.results.schema import SET_SCORES
from tests.synthetic_run import add_set_scores, card, make_run

KEY = "kernel-distance-alex/kernel-distance"
CARDS = [card("a"), card("b"), card("identity", control=True)]


def rows_of_means(values, method="a", weather="rain", seed="0", status="ok"):
    """Rows as if the score were the mean of `values`, one of each photo."""
    photos = [f"p{n}" for n in range(len(values))]
    left_out = [("", np.mean(values))]
    left_out += [(p, np.mean(np.delete(values, n))) for n, p in enumerate(photos)]
    names = ("set", weather, method, "default", seed, *KEY.split("/"))
    return [dict(zip(SET_SCORES, (*names, *pair, status, ""), strict=True)) for pair in left_out]


def groups_of(*rows):
    found = set_groups(pd.DataFrame([row for part in rows for row in part]), CARDS)
    return {group.weather: group for group in found}


def test_the_jackknife_of_a_mean_is_the_t_interval_and_the_paired_t_test():
    rng = np.random.default_rng(0)
    a, b = rng.normal(2, 1, 12), rng.normal(1.5, 1, 12)
    group = groups_of(rows_of_means(a), rows_of_means(b, "b"))["rain"]
    low, high = stats.t.interval(0.95, 11, a.mean(), stats.sem(a))
    ends = group.interval()
    assert (ends.mean[0], ends.low[0], ends.high[0]) == pytest.approx((a.mean(), low, high))
    compared = compare_sets(group).pairs[0]
    test = stats.ttest_rel(a, b)
    interval = test.confidence_interval()
    assert tuple(compared.columns) == COLUMNS
    row = compared.iloc[0]
    assert (row.difference, row.p) == pytest.approx((np.mean(a - b), test.pvalue))
    assert (row.difference_low, row.difference_high) == pytest.approx((interval.low, interval.high))
    assert np.isnan(row[["effect", "p_better", "p_nemenyi"]].astype(float)).all()


def test_all_is_the_mean_over_weathers_with_photos_left_out_of_all():
    rng = np.random.default_rng(1)
    rain, haze = rng.normal(size=(2, 6))
    group = groups_of(rows_of_means(rain), rows_of_means(haze, weather="haze"))["all"]
    both = (rain + haze) / 2
    assert group.values.iloc[0] == pytest.approx(both.mean())
    assert group.interval().high[0] - both.mean() == pytest.approx(
        stats.t.ppf(0.975, 5) * stats.sem(both)
    )


def test_a_photo_of_one_weather_only_leaves_the_others_whole():
    rain, haze = np.arange(4.0), np.arange(3.0)
    group = groups_of(rows_of_means(rain), rows_of_means(haze, weather="haze"))["all"]
    assert list(group.pseudo.index) == ["p0", "p1", "p2", "p3"]
    assert np.isfinite(group.pseudo.to_numpy()).all()


def test_a_missing_value_of_a_weather_or_seed_is_no_value_of_all():
    failed = rows_of_means([np.nan, np.nan], "b", "haze", status="failed")[:1]
    groups = groups_of(
        rows_of_means([1.0, 2, 3]), rows_of_means([1.0, 2, 3], weather="haze"),
        rows_of_means([1.0, 2, 3], "b"), failed,
    )  # fmt: skip
    assert groups["rain"].keys == [("a", "default"), ("b", "default")]
    assert groups["all"].keys == groups["haze"].keys == [("a", "default")]
    failed = rows_of_means([np.nan, np.nan], seed="1", status="failed")[:1]
    none = groups_of(rows_of_means([1.0, 2, 3]), failed)["rain"]
    assert none.keys == [] and set_values(none).rows.empty and set_values(none).best == []


def test_seeds_widen_the_interval():
    first, second = np.array([1.0, 2, 3, 4]), np.array([2.0, 3, 4, 5])
    one = groups_of(rows_of_means(first))["rain"].interval()
    two = groups_of(rows_of_means(first), rows_of_means(second, seed="1"))["rain"].interval()
    assert two.mean[0] == pytest.approx(3.0)
    assert two.high[0] - two.mean[0] > one.high[0] - one.mean[0]


def test_two_photos_have_a_value_without_an_interval():
    rows = rows_of_means([1.0, 2.0])[:1]
    group = groups_of(rows)["rain"]
    assert set_values(group).rows[f"{KEY}_low"].isna().all() and group.paired is None
    assert compare_sets(group).pairs == []


def test_the_board_has_a_column_and_the_comparisons_have_pairs(tmp_path):
    run = tmp_path / "results" / "demo"
    make_run(run, photos=5, weathers=("rain", "haze"), side=32)
    before = write_leaderboard(run)
    assert before[KEY].isna().all()
    add_set_scores(run)
    with pytest.raises(UserError, match=r"set_scores.csv changed"):
        read_board(run)
    board = write_leaderboard(run)
    ranked = board[(board.weather == "all") & (board.method != "dark-channel")]
    assert ranked[KEY].notna().all()
    same = [name for name in board if not name.startswith(KEY)]
    pd.testing.assert_frame_equal(before[same], board[same])
    assert "kernel distance ↓" in (run / "leaderboard.md").read_text()
    assert "kernel distance" in (run / "leaderboard.tex").read_text()
    text = (run / "comparisons.md").read_text()
    assert "A score of a set has no values of images" in text and "nan" not in text
    table = pd.read_csv(run / "comparisons.csv").query("metric == @KEY")
    assert len(table) and table.p_holm.notna().all()
    best = read_board(run).best
    assert {key[:4] for key in best if key[4] == KEY}


def test_a_table_with_a_value_twice_or_without_the_whole_is_refused():
    rows = rows_of_means([1.0, 2, 3])
    with pytest.raises(UserError, match="a value twice of set rain a default"):
        groups_of(rows, rows[1:2])
    with pytest.raises(UserError, match="no value of the whole set"):
        groups_of(rows[1:])
