"""What methods do to clear photographs: the quantiles by hand, and what is left out."""

import numpy as np
import pandas as pd
import pytest

from benchmark.board.no_harm import COLUMNS, no_harm, to_markdown
from benchmark.board.score_table import ScoreTable
from benchmark.board.write import write_leaderboard
from benchmark.results.schema import FAILED, SCORES
from tests.synthetic_run import add_clear_set, card, make_run, score_rows

CARDS = [
    card("careful"),
    card("careless"),
    card("identity", control=True),
    card("oracle", control=True, sees_target=True),
]
PSNR = {
    "careful": [*range(31, 51)],
    "careless": [20.0, *range(60, 79)],
    "identity": [np.inf] * 20,
    "oracle": [np.inf] * 20,
}


def table(psnr, weather="clear", fail=None):
    rows = [
        row
        for c in CARDS
        for i, value in enumerate(psnr[c["method"]])
        for row in score_rows("set", weather, f"p{i:02d}", c, (value, 0.9, value, 0.9, 0.1))
    ]
    scores = pd.DataFrame(rows, columns=SCORES)
    if fail:
        failed = (scores["method"] == fail) & (scores["image"] == "p03")
        scores.loc[failed, ["status", "value"]] = [FAILED, np.nan]
    return next(g for g in ScoreTable(scores, CARDS).groups() if g.weather == weather)


def test_median_is_of_the_middle_two_and_the_tail_has_values_of_photographs():
    found = no_harm(table(PSNR), CARDS)
    assert tuple(found.columns) == COLUMNS
    assert [*found["method"]] == ["identity", "careless", "careful"]
    rows = found.set_index("method")
    for method in ("careful", "careless"):
        values = sorted(PSNR[method])
        # The 10th percentile of 20 values: the second, since positions go from 0 to 19.
        expected = (20, (values[9] + values[10]) / 2, values[1], values[0])
        assert tuple(rows.loc[method, [*COLUMNS[3:]]]) == pytest.approx(expected)
    assert np.isinf(rows.loc["identity", ["median", "worst_tenth", "worst"]].astype(float)).all()


@pytest.mark.parametrize(
    ("unchanged", "median"), [(0, 44.5), (9, 44.5), (10, np.inf), (11, np.inf), (20, np.inf)]
)
def test_photographs_that_stay_as_they_are_count_in_the_median(unchanged, median):
    careful = [*range(35, 55)][: 20 - unchanged] + [np.inf] * unchanged
    found = no_harm(table(PSNR | {"careful": careful}), CARDS).set_index("method")
    assert found.loc["careful", "median"] == median


def test_a_method_without_all_scores_is_left_out():
    assert "careful" not in set(no_harm(table(PSNR, fail="careful"), CARDS)["method"])


def test_weather_is_no_matter_of_harm():
    assert no_harm(table(PSNR, "rain"), CARDS).empty
    assert to_markdown([no_harm(table(PSNR, "rain"), CARDS)], CARDS) == ""


def test_a_board_with_clear_photographs_has_the_table(tmp_path):
    run = tmp_path / "results" / "demo"
    make_run(run, 3, ("rain",), side=8)
    write_leaderboard(run)
    assert "## Clear photographs" not in (run / "leaderboard.md").read_text()
    add_clear_set(run)
    write_leaderboard(run)
    text = (run / "leaderboard.md").read_text()
    assert "## Clear photographs" in text
    assert "### clear: 3 photographs" in text
    assert "| method | median | worst tenth | worst |" in text
