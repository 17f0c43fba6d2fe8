"""The leaderboard from hand-made scores: means, statuses, missing values, order, text."""

import json
import math
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmark.board import statuses as board_statuses
from benchmark.board.aggregate import COLUMNS, group_values, join_groups
from benchmark.board.format import count_text, plain_text, seconds_text
from benchmark.board.legend import board_legend, short_legend
from benchmark.board.markdown import to_markdown
from benchmark.board.score_table import ALL, METRICS, ScoreTable
from benchmark.board.terminal import print_board
from benchmark.board.verdicts import harmful
from benchmark.board.write import (
    print_leaderboard,
    read_board,
    read_leaderboard,
    write_leaderboard,
)
from benchmark.core.errors import UserError
from benchmark.results.schema import COST, FAILED, GROUP, NO_TARGET, OK, SCORES, SKIPPED
from benchmark.results.tables import read_cost, read_images, read_scores
from tests.synthetic_run import card, cost_row, make_run, score_rows

A, B, C = card("a"), card("b"), card("c")
A_KEY = (A["method"], A["variant"])
CONTROLS = [card("identity", control=True), card("oracle", control=True, sees_target=True)]


def values(psnr):
    return (psnr, 0.8, psnr + 1, 0.82, 0.2)


def scores_of(table, weather="rain", seed=0):
    """Scores from {card label: {image: PSNR}}."""
    cards = {c["label"]: c for c in (A, B, C, *CONTROLS)}
    rows = [
        row
        for name, images in table.items()
        for image, psnr in images.items()
        for row in score_rows("set", weather, image, cards[name], values(psnr), seed)
    ]
    return pd.DataFrame(rows, columns=SCORES)


NO_COST = pd.DataFrame(columns=COST).astype({"seconds": float, "width": float, "height": float})


def make_board(scores, cost):
    return join_groups(scores, cost, [group_values(group) for group in scores.groups()])


def leaderboard(scores, cost, cards, photos=None):
    return make_board(ScoreTable(scores, cards, photos), cost).table


def leaders(scores, cards):
    """The rows in which a method has a value in bold type, with its metric."""
    groups = ScoreTable(scores, cards).groups()
    best = [row for group in groups for row in group_values(group).best]
    return pd.DataFrame(best, columns=[*GROUP, "metric"])


def statuses(scores, cards):
    return board_statuses.statuses(ScoreTable(scores, cards))


def row_of(board, method, weather="rain"):
    return board[(board["method"] == method) & (board["weather"] == weather)].iloc[0]


def spoil(scores, status, reason="because", **where):
    chosen = np.logical_and.reduce([scores[name] == value for name, value in where.items()])
    scores = scores.copy()
    scores.loc[chosen, ["status", "reason"]] = [status, reason]
    scores.loc[chosen, "value"] = np.nan
    return scores


def test_mean_is_over_seeds_then_images():
    first = scores_of({"a": {"x": 20.0, "y": 30.0}})
    second = scores_of({"a": {"x": 22.0, "y": 30.0}}, seed=1)
    board = leaderboard(pd.concat([first, second]), NO_COST, [A])
    row = row_of(board, "a")
    assert tuple(board.columns) == COLUMNS
    assert row["rgb/psnr"] == pytest.approx((21 + 30) / 2)
    assert row["y-matlab/psnr"] == pytest.approx((22 + 31) / 2)
    assert row["n_images"] == 2
    assert row["rgb/psnr_low"] <= row["rgb/psnr"] <= row["rgb/psnr_high"]


def test_all_gives_weathers_equal_weight():
    rain = scores_of({"a": {"x": 20.0, "y": 22.0, "z": 24.0}})
    haze = scores_of({"a": {"x": 10.0}}, "haze")
    board = leaderboard(pd.concat([rain, haze]), NO_COST, [A])
    assert row_of(board, "a", ALL)["rgb/psnr"] == pytest.approx((22 + 10) / 2)
    assert row_of(board, "a", ALL)["n_images"] == 4
    assert list(board["weather"]) == [ALL, "rain", "haze"]


def test_images_of_one_photo_give_no_interval():
    scores = scores_of({"a": {"x": 20.0, "y": 22.0}})
    photos = scores[["dataset", "weather", "image"]].drop_duplicates().assign(photo="same")
    assert np.isnan(row_of(leaderboard(scores, NO_COST, [A], photos), "a")["rgb/psnr_low"])
    alone = row_of(leaderboard(scores, NO_COST, [A]), "a")
    assert alone["rgb/psnr_low"] == pytest.approx(21 - 12.706, abs=1e-3)  # Student's


def test_an_interval_of_few_photos_has_no_value_that_its_metric_cannot_have():
    near = {"p": (2.0, 0.99, 2.0, 0.99, 0.01), "q": (9.0, 0.80, 9.0, 0.99, 0.20)}
    rows = [row for image, v in near.items() for row in score_rows("set", "rain", image, A, v)]
    row = row_of(leaderboard(pd.DataFrame(rows, columns=SCORES), NO_COST, [A]), "a")
    ends = {m: (row[m + "_low"], row[m + "_high"]) for m in METRICS if not np.isnan(row[m])}
    assert ends["rgb/psnr"][0] == ends["lpips-alex/lpips"][0] == 0
    assert ends["rgb/ssim"][1] == 1 and ends["rgb/ssim"][0] == pytest.approx(-0.312, abs=0.001)
    # Student's, by hand: with two photos 12.706 times half of their distance.
    assert ends["rgb/psnr"][1] == pytest.approx(5.5 + 12.706 * 3.5, abs=0.01)


def test_one_failed_image_or_seed_leaves_no_mean():
    both = scores_of({"a": {"x": 20.0, "y": 30.0}, "b": {"x": 19.0, "y": 29.0}})
    more = scores_of({"a": {"x": 20.0, "y": 30.0}}, seed=1)
    scores = spoil(pd.concat([both, more]), FAILED, method="a", image="y", seed="1")
    board = leaderboard(scores, NO_COST, [A, B])
    row = row_of(board, "a")
    assert row["status"] == FAILED
    assert row[[*METRICS]].isna().all()
    assert row["n_images"] == 1
    assert row_of(board, "b")["status"] == OK
    assert row_of(board, "b")["rgb/psnr"] == 24
    reasons = statuses(scores, [A, B])
    assert row_of(reasons, "a")["reason"] == "because (1 of 2 images)"


def test_a_metric_that_failed_leaves_the_others():
    scores = spoil(scores_of({"a": {"x": 20.0, "y": 30.0}}), "weights-missing", metric="lpips")
    row = row_of(leaderboard(scores, NO_COST, [A]), "a")
    assert row["status"] == "weights-missing"
    assert row["rgb/psnr"] == 25
    assert np.isnan(row["lpips-alex/lpips"])


@pytest.mark.parametrize("empty_protocol", [False, True])
def test_skipped_weather_leaves_all_missing_with_its_reason(empty_protocol):
    rain = scores_of({"a": {"x": 20.0}, "b": {"x": 21.0}})
    haze = scores_of({"a": {"x": 20.0}, "b": {"x": 21.0}}, "haze")
    scores = spoil(pd.concat([rain, haze], ignore_index=True), SKIPPED, method="b", weather="rain")
    if empty_protocol:  # one row an image, before any metric was tried
        skipped = scores["status"] == SKIPPED
        scores.loc[skipped, ["protocol", "metric"]] = ""
        scores = scores[~skipped | ~scores.duplicated()]
    board = leaderboard(scores, NO_COST, [A, B])
    assert row_of(board, "b", ALL)["status"] == SKIPPED
    assert np.isnan(row_of(board, "b", ALL)["rgb/psnr"])
    assert row_of(board, "b", "haze")["rgb/psnr"] == 21
    assert row_of(statuses(scores, [A, B]), "b", ALL)["reason"] == "because (rain)"


def test_scores_that_are_not_there_count_as_failed():
    scores = scores_of({"a": {"x": 20.0, "y": 30.0}, "b": {"x": 21.0}})
    found = statuses(scores, [A, B, CONTROLS[0]])
    assert row_of(found, "b")["status"] == FAILED
    assert row_of(found, "b")["reason"] == "no score of 1 of 2 images"
    assert row_of(found, "identity")["reason"] == "no score of 2 of 2 images"
    assert np.isnan(row_of(leaderboard(scores, NO_COST, [A, B, CONTROLS[0]]), "b")["rgb/psnr"])


def test_everything_skipped_is_still_a_board():
    scores = spoil(scores_of({"a": {"x": 20.0}}), SKIPPED, method="a")
    scores = scores.assign(protocol="", metric="").drop_duplicates()
    board = make_board(ScoreTable(scores, [A]), NO_COST)
    assert list(board.table["status"]) == [SKIPPED, SKIPPED]
    assert "because" in to_markdown(board, [A])


def test_best_first_controls_last_missing_after_the_rest():
    table = {"a": {"x": 20.0}, "b": {"x": 25.0}, "identity": {"x": 22.0}, "oracle": {"x": np.inf}}
    board = leaderboard(scores_of(table), NO_COST, [A, B, *CONTROLS])
    assert list(board[board["weather"] == "rain"]["method"]) == ["b", "a", "oracle", "identity"]
    assert row_of(board, "oracle")["rgb/psnr"] == np.inf
    failed = spoil(scores_of(table), FAILED, method="b")
    board = leaderboard(failed, NO_COST, [A, B, *CONTROLS])
    assert list(board[board["weather"] == "rain"]["method"]) == ["a", "b", "oracle", "identity"]


def test_adding_a_method_does_not_change_anothers_row():
    rng = np.random.default_rng(0)
    images = {f"i{n}": float(psnr) for n, psnr in enumerate(rng.normal(25, 2, 9))}
    alone = row_of(leaderboard(scores_of({"b": images}), NO_COST, [B]), "b")
    both = row_of(leaderboard(scores_of({"a": images, "b": images}), NO_COST, [A, B]), "b")
    assert (alone.pop("rank"), both.pop("rank")) == ("1", "1–2")  # but its rank
    pd.testing.assert_series_equal(alone, both, check_names=False)


def test_costs_are_medians_over_restored_images():
    scores = scores_of({"a": {"x": 20.0, "y": 20.0, "z": 20.0}})
    seconds = {"x": 1.0, "y": 2.0, "z": 60.0}
    rows = [cost_row("set", "rain", i, A, s, nfe=4, side=500) for i, s in seconds.items()]
    cost = pd.DataFrame(rows, columns=COST)
    row = row_of(leaderboard(scores, cost, [A]), "a")
    assert (row["seconds"], row["seconds_per_megapixel"], row["nfe"]) == (2, 8, 4)
    cost.loc[2, ["status", "seconds"]] = [FAILED, np.nan]
    assert row_of(leaderboard(scores, cost, [A]), "a")["seconds"] == 1.5


def bold_psnr(**columns):
    """The methods whose PSNR is bold, of {name: values of twelve photos}."""
    table = {name: {f"i{n}": x for n, x in enumerate(column)} for name, column in columns.items()}
    cards = [c for c in (A, B, C, *CONTROLS) if c["method"] in columns]
    found = leaders(scores_of(table), cards)
    rows = found[(found["metric"] == "rgb/psnr") & (found["weather"] == "rain")]
    return sorted(rows["method"])


def test_bold_is_the_best_with_its_ties_unless_all_are():
    rng = np.random.default_rng(1)
    base = rng.normal(25, 3, 12)
    best, tie = base + 1 + rng.normal(0, 0.1, 12), base + 1 + rng.normal(0, 0.1, 12)
    assert bold_psnr(a=best, b=base, oracle=np.full(12, np.inf)) == ["a"]
    assert bold_psnr(a=best, b=tie, c=base) == ["a", "b"]
    assert bold_psnr(a=best, b=tie) == []  # bold type would distinguish nothing
    assert bold_psnr(a=best) == []


def test_a_value_that_looks_worse_than_a_bold_one_is_not_bold():
    """The test cannot tell b from the best: their differences vary. Their printed numbers can."""
    best = np.full(12, 40.0) + np.linspace(0, 0.1, 12)
    worse = np.full(12, 20.0) + np.linspace(0, 0.1, 12)
    uncertain = 39.5 - np.array([0] * 11 + [6.0])
    assert bold_psnr(a=best, b=uncertain, c=worse) == ["a"]
    # An infinite value has no test: nothing is significantly worse than it.
    assert bold_psnr(a=np.full(12, np.inf), b=best, c=worse) == []


def test_no_value_in_bold_type_is_worse_than_one_that_is_not():
    """b is always a little worse than the best; c mostly better than b, and sometimes much worse:
    its test finds nothing."""
    best = np.linspace(24, 26, 12)
    c = best + np.array([0.3, -0.9] * 6)
    assert (best - 0.1).mean() > c.mean()
    assert bold_psnr(a=best, b=best - 0.1 - np.linspace(0, 0.01, 12), c=c) == ["a"]
    assert bold_psnr(a=best, c=c, b=best - 5 - np.linspace(0, 0.01, 12)) == ["a", "c"]


def test_the_data_set_that_the_run_names_first_comes_first():
    scores = scores_of({"a": {"x": 20.0}, "b": {"x": 21.0}})
    both = pd.concat([scores.assign(dataset="clear"), scores.assign(dataset="photos")])
    images = pd.DataFrame(
        [(name, "rain", "x", "x") for name in ("photos", "clear")],
        columns=["dataset", "weather", "image", "photo"],
    )
    assert list(leaderboard(both, NO_COST, [A, B])["dataset"].unique()) == ["clear", "photos"]
    board = leaderboard(both, NO_COST, [A, B], images)
    assert list(board["dataset"].unique()) == ["photos", "clear"]


@pytest.mark.parametrize(("width", "shown"), [(200, 3), (90, 0), (60, 0)])
def test_a_terminal_shows_what_it_has_room_for(capsys, monkeypatch, width, shown):
    """Intervals if there is room; names are never broken within a word."""
    long = card("a", label="conditional_diffusion_of_a_long_name ddim-4")
    scores = scores_of({"a": {"x": 20.0, "y": 30.0}, "b": {"x": 21.0, "y": 22.0}})
    scores = spoil(scores, FAILED, "out of luck", method="b")
    monkeypatch.setenv("COLUMNS", str(width))
    print_board(make_board(ScoreTable(scores, [long, B]), NO_COST), [long, B])
    text = capsys.readouterr().out
    assert text.count("[0.00, 88.53]") + text.count("[0.800, 0.800]") == min(shown, 2)
    assert text.count("[0.200, 0.200]") == shown // 3
    words = re.split(r"[\s_]+", text)
    assert {"conditional", "diffusion", "of", "long", "name", "ddim-4"} <= {*words}
    board = text.split("[1] failed: out of luck")[0]
    assert max(map(len, board.splitlines())) <= width
    assert "b [1]" in board


@pytest.mark.parametrize(("psnr", "told"), [(30.0, False), (np.inf, True)])
def test_an_infinite_mean_on_a_terminal_is_explained(capsys, psnr, told):
    cards = [A, B]
    scores = scores_of({"a": {"x": psnr, "y": 20.0}, "b": {"x": 21.0, "y": 22.0}})
    print_board(make_board(ScoreTable(scores, cards), NO_COST), cards)
    text = capsys.readouterr().out
    assert ("∞" in text) == told
    assert ("∞: the PSNR of an image that is the same as its target." in text) == told


def unpaired_scores(niqe):
    """Scores of images without ground truth: NIQE of each image, PSNR skipped."""
    key = ("set", "rain")
    rows = []
    for name, values in niqe.items():
        for image, value in values.items():
            of = (*key, image, name, "default", "0")
            rows.append((*of, "rgb", "psnr", np.nan, SKIPPED, NO_TARGET))
            rows.append((*of, "no-reference", "niqe", value, OK, ""))
    for image in next(iter(niqe.values())):
        of = (*key, image, "oracle", "default", "0")
        rows.append((*of, "rgb", "psnr", np.nan, SKIPPED, NO_TARGET))
        rows.append((*of, "no-reference", "niqe", np.nan, SKIPPED, NO_TARGET))
    return pd.DataFrame(rows, columns=SCORES)


def test_without_ground_truth_rows_are_ok_and_the_lowest_niqe_is_first(capsys):
    scores = unpaired_scores({"a": {"x": 5.0, "y": 6.0}, "b": {"x": 3.0, "y": 4.0}})
    cards = [A, B, CONTROLS[1]]
    rain = leaderboard(scores, NO_COST, cards).query("weather == 'rain'")
    assert list(rain["method"]) == ["b", "a", "oracle"]
    assert list(rain["status"]) == [OK, OK, SKIPPED]
    assert list(rain["no-reference/niqe"][:2]) == [3.5, 5.5] and rain["rgb/psnr"].isna().all()
    assert row_of(statuses(scores, cards), "oracle")["reason"] == NO_TARGET
    found = leaders(scores, cards)
    assert set(found[found["weather"] == "rain"]["metric"]) == {"no-reference/niqe"}
    assert set(found["method"]) == {"b"}
    print_board(make_board(ScoreTable(scores, cards), NO_COST), cards)
    text = " ".join(capsys.readouterr().out.split())  # lines are broken at the terminal's width
    assert "scored without ground truth" in text and "NIQE" in text
    assert all(f"{term}: {words}" in text for term, words in short_legend(cards))


def test_a_score_that_comes_twice_is_refused():
    scores = scores_of({"a": {"x": 20.0}})
    with pytest.raises(UserError, match=r"twice.*rgb/psnr of a default on x"):
        leaderboard(pd.concat([scores, scores]), NO_COST, [A])


def test_a_method_without_a_card_is_refused():
    with pytest.raises(UserError, match="no card for method 'b'"):
        leaderboard(scores_of({"b": {"x": 20.0}}), NO_COST, [A])


def test_markdown_shows_values_intervals_reasons_and_no_html():
    nasty = card("a", label="<script>alert(1)</script> | x", supervision="a | b")
    scores = scores_of({"a": {"x": 20.0, "y": 30.0}, "b": {"x": 21.0, "y": 22.0}})
    scores = spoil(scores, FAILED, "out | of <b>luck</b>", method="b")
    cards = [nasty, B]
    text = to_markdown(make_board(ScoreTable(scores, cards), NO_COST), cards)
    assert "| a \\| b |" in text
    assert "| 25.00 [0.00, 88.53] |" in text
    assert "[1] failed: out \\| of \\<b\\>luck" in text
    assert "<script" not in text.replace("\\<", "")
    assert "all" not in [line.strip("# ") for line in text.splitlines()]  # of one weather: left out


def test_methods_that_make_their_images_worse_are_marked():
    """Less than half a decibel below the input is no harm; a perfect input gives no mark."""
    cards = [A, B, *CONTROLS]
    rain = {"a": {"x": 19.4}, "b": {"x": 19.6}, "identity": {"x": 20.0}, "oracle": {"x": np.inf}}
    clear = {"a": {"x": 40.0}, "b": {"x": 50.0}, "identity": {"x": np.inf}}
    scores = pd.concat([scores_of(rain), scores_of(clear | {"oracle": {"x": np.inf}}, "clear")])
    board = make_board(ScoreTable(scores, cards), NO_COST)
    assert harmful(board.table, cards) == {("set", "rain", *A_KEY)}
    lines = to_markdown(board, cards).splitlines()
    marked = [line for line in lines if line.startswith("|") and "▼" in line]
    assert len(marked) == 1 and "19.40" in marked[0]


def test_a_control_that_is_not_the_input_sets_no_bound_of_harm():
    """A method is compared with the input, not with the worst control; without the input, with
    nothing."""
    blurred = card("oracle", control=True, sees_target=True)
    rain = {"a": {"x": 19.0}, "b": {"x": 29.0}, "identity": {"x": 30.0}, "oracle": {"x": 20.0}}
    cards = [A, B, CONTROLS[0], blurred]
    board = make_board(ScoreTable(scores_of(rain), cards), NO_COST).table
    rows = {key for key in harmful(board, cards) if key[1] == "rain"}
    assert rows == {("set", "rain", *A_KEY), ("set", "rain", "b", "default"),
                    ("set", "rain", "oracle", "default")}  # fmt: skip
    assert harmful(board, [A, B, blurred]) == set()


def test_a_board_names_the_version_of_the_simulated_weather():
    cards = [card("a", training_simulation=2), card("b", training_simulation=1), *CONTROLS]
    texts = [entry.text for entry in board_legend(cards) if entry.term == "Simulated weather"]
    assert len(texts) == 1 and "version 1 (b) and version 2 (a)" in texts[0]
    texts = [entry.text for entry in board_legend(cards[:1]) if entry.term == "Simulated weather"]
    assert "version 2 of" in texts[0]
    assert "Simulated weather" not in [entry.term for entry in board_legend([A, *CONTROLS])]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.nan, "–"), (0, "0"), (25, "25"), (999, "999"), (1500, "1.5 k"), (999_400, "999 k"),
        (999_600, "1 M"), (3.9e6, "3.9 M"), (9.996e8, "1 G"), (1.08e9, "1.08 G"),
    ],
)  # fmt: skip
def test_counts_have_prefixes(value, text):
    assert count_text(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(np.nan, "–"), (0.00123, "0.0012"), (1.728, "1.73"), (1834.2, "1834")]
)
def test_seconds_have_three_figures(value, text):
    assert seconds_text(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"), (True, "yes"), (False, "no"), ("None", "None"), (1000, "1000"),
        (18000, "18,000"), (-18000, "-18,000"), (0.0030000001, "0.003"), (60.0, "60"),
        (4.0358297653756754e-05, "4.03583e-05"), (123456.75, "123,457"), (math.inf, "∞"),
        (math.nan, "–"), ([0.9, None, True], "0.9, –, yes"), ([], "–"),
        ({"a": 1, "b": [20000]}, "a: 1; b: 20,000"),
    ],
)  # fmt: skip
def test_values_of_json_are_plain_words_and_numbers(value, text):
    assert plain_text(value) == text


def test_files_are_written_and_read_back(tmp_path, capsys):
    run = tmp_path / "results" / "demo"
    make_run(run, photos=3, weathers=("rain", "haze"), side=8)
    board = write_leaderboard(run)
    pd.testing.assert_frame_equal(read_leaderboard(run), board)
    assert np.isinf(row_of(board, "oracle")["rgb/psnr"])
    assert (run / "leaderboard.md").read_text().count("## test-set") == 3
    print_leaderboard(run)
    assert "dark-channel" in capsys.readouterr().out


def test_names_that_look_missing_survive(tmp_path):
    run = tmp_path / "results" / "demo"
    make_run(run, photos=2, weathers=("rain",), cards=[card("NA", "null", 1.0)], side=8)
    write_leaderboard(run)
    assert set(read_leaderboard(run)["method"]) == {"NA"}
    assert set(read_leaderboard(run)["variant"]) == {"null"}


def test_a_board_is_read_bit_for_bit(tmp_path):
    run = tmp_path / "results" / "demo"
    cards = make_run(run, photos=3, weathers=("rain", "haze"), side=8)
    write_leaderboard(run)
    scores = ScoreTable(read_scores(run), cards, read_images(run))
    made, read = make_board(scores, read_cost(run)), read_board(run)
    pd.testing.assert_frame_equal(read.table, made.table, check_exact=True)
    assert read.best == made.best and read.reasons == made.reasons
    assert len(read.best) > 20 and "made for haze only (rain)" in set(read.reasons.values())


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A run of one image with its board; not to be changed."""
    run = tmp_path_factory.mktemp("written") / "results" / "demo"
    make_run(run, photos=1, weathers=("rain",), side=8)
    write_leaderboard(run)
    return run


@pytest.fixture
def run(written, tmp_path):
    """A copy of it."""
    return Path(shutil.copytree(written, tmp_path / "results" / "demo"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda notes: notes["made_from"].update({"scores.csv": "0" * 64}), "scores.csv changed"),
        (lambda notes: notes["made_from"].pop("images.csv"), "images.csv changed"),
        (lambda notes: notes.pop("rows"), "leaderboard.notes.json: rows: Field required"),
        (lambda notes: notes["rows"][0].update(bold=3), "leaderboard.notes.json: rows.0.bold"),
    ],
)
def test_notes_that_do_not_fit_are_named(run, change, message):
    notes = json.loads((run / "leaderboard.notes.json").read_text())
    change(notes)
    (run / "leaderboard.notes.json").write_text(json.dumps(notes))
    with pytest.raises(UserError, match=re.escape(message)):
        read_board(run)
    (run / "leaderboard.notes.json").unlink()
    with pytest.raises(UserError, match=r"leaderboard\.notes\.json is missing; run `python"):
        read_board(run)


def test_a_row_without_a_card_is_named(run):
    text = (run / "leaderboard.csv").read_text()
    (run / "leaderboard.csv").write_text(text.replace(",median,", ",mean,"))
    with pytest.raises(UserError, match=r"leaderboard\.csv: methods\.json has no card for 'mean"):
        read_board(run)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("weather", "wether", 1), "has other columns"),
        (lambda text: re.sub(r",\d+\.\d+,", ",much,", text, count=1), "a value that is no number"),
        (lambda text: text + 'a,"', "is not a readable CSV"),
        (lambda text: "", "is not a readable CSV"),
    ],
)
def test_a_wrong_leaderboard_is_named(run, change, message):
    file = run / "leaderboard.csv"
    file.write_text(change(file.read_text()))
    with pytest.raises(UserError, match=rf"leaderboard\.csv.*{message}"):
        read_leaderboard(run)


def test_a_board_without_a_column_is_refused(tmp_path):
    run = tmp_path / "results" / "demo"
    make_run(run, photos=1, weathers=("rain",), side=8)
    board = write_leaderboard(run)
    board.drop(columns="throughput").to_csv(run / "leaderboard.csv", index=False)
    with pytest.raises(UserError, match="other columns than expected; make the leaderboard again"):
        read_leaderboard(run)


@pytest.mark.parametrize(
    ("column", "value"), [("image", "x" * 300), ("input", "a/" + "x" * 300), ("target", "a\0b")]
)
def test_names_that_no_file_system_takes_are_refused(tmp_path, column, value):
    run = tmp_path / "results" / "demo"
    make_run(run, photos=1, weathers=("rain",), side=8)
    table = pd.read_csv(run / "images.csv", dtype=str)
    table.assign(**{column: value}).to_csv(run / "images.csv", index=False)
    with pytest.raises(UserError, match=rf"images\.csv: {column} "):
        write_leaderboard(run)


@pytest.mark.parametrize("name", ["scores.csv", "cost.csv", "methods.json"])
def test_a_missing_table_is_named(tmp_path, name):
    run = tmp_path / "results" / "demo"
    make_run(run, photos=1, weathers=("rain",), side=8)
    (run / name).unlink()
    with pytest.raises(UserError, match=rf"{name} is missing"):
        write_leaderboard(run)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="seed"), "has the columns"),
        (lambda t: t.assign(value="much"), "line 2: value is 'much', not a number"),
        (lambda t: t.assign(status="fine"), "unknown status 'fine'"),
        (lambda t: t.head(0), "has no rows"),
    ],
)
def test_wrong_scores_are_named(tmp_path, change, message):
    run = tmp_path / "results" / "demo"
    make_run(run, photos=1, weathers=("rain",), side=8)
    change(pd.read_csv(run / "scores.csv")).to_csv(run / "scores.csv", index=False)
    with pytest.raises(UserError, match=message):
        write_leaderboard(run)
