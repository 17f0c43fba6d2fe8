"""The method that a leaderboard recommends for a photo and a time."""

import math

import pandas as pd
import pytest

from benchmark.board.aggregate import COLUMNS
from benchmark.board.recommend import choose, ranked
from benchmark.core.errors import UserError


def row(method, psnr, lpips, seconds=1.0, dataset="photos", weather="all", **more):
    values = dict.fromkeys(COLUMNS, float("nan")) | {
        "dataset": dataset,
        "weather": weather,
        "method": method,
        "variant": "default",
        "supervision": "paired",
        "status": "ok",
        "rgb/psnr": psnr,
        "lpips-alex/lpips": lpips,
        "seconds_per_megapixel": seconds,
    }
    return values | more


def board(*rows):
    """A leaderboard of these rows and of rain rows, which show that its data sets have weather."""
    sets = {r["dataset"] for r in rows if r["dataset"] != "clear"}
    rain = [row("identity", 20.0, 0.5, dataset=name, weather="rain") for name in sorted(sets)]
    return pd.DataFrame([*rows, *rain], columns=COLUMNS)


def cards(*methods, variants=("default",)):
    names = ("identity", "oracle", *methods)
    return [
        {"method": m, "variant": v, "control": m in names[:2], "sees_target": m == "oracle"}
        for m in names
        for v in variants
    ]


FIELD = (
    row("identity", 20.0, 0.50, 0.0),
    row("oracle", math.inf, 0.0, 0.0),
    row("slow", 30.0, 0.10, 50.0),
    row("fast", 29.0, 0.20, 0.5),
    row("classic", 21.0, 0.45, 0.1),
)
NAMES = ("slow", "fast", "classic")


def pick(table, megapixels=1.0, budget=None, lacking=()):
    return choose(table, megapixels, budget, lambda m: f"train {m}" if m in lacking else None)


def test_the_best_mean_rank_is_first():
    table = ranked(board(*FIELD), cards(*NAMES))
    assert table["method"].tolist() == list(NAMES)
    assert table["rank"].tolist() == [1, 2, 3]


def test_psnr_and_lpips_count_the_same_and_lpips_decides_ties():
    rows = (row("identity", 20, 0.5), row("sharp", 24, 0.1), row("smooth", 25, 0.2))
    table = ranked(board(*rows), cards("sharp", "smooth"))
    assert table["rank"].tolist() == [1.5, 1.5]
    assert table["method"].tolist() == ["sharp", "smooth"]


def test_ranks_are_averaged_over_data_sets_with_weather():
    rows = [
        row("identity", 20, 0.5), row("a", 30, 0.1), row("b", 29, 0.2), row("c", 28, 0.3),
        row("identity", 20, 0.5, dataset="other"), row("a", 25, 0.4, dataset="other"),
        row("b", 29, 0.2, dataset="other"), row("c", 26, 0.3, dataset="other"),
        # On clear images b is worst, but they do not count: there it is best to do nothing.
        row("identity", math.inf, 0, dataset="clear"), row("a", 40, 0.01, dataset="clear"),
        row("b", 20, 0.3, dataset="clear"), row("c", 40, 0.01, dataset="clear"),
    ]  # fmt: skip
    table = ranked(board(*rows), cards("a", "b", "c")).set_index("method")
    assert table.index[0] == "b"
    assert table["rank"].to_dict() == {"a": 2.0, "b": 1.5, "c": 2.5}


@pytest.mark.parametrize("weather", ["all", "haze"])
def test_what_is_left_out(weather):
    """Controls, the oracle, failures, a method below the input, and one that is not available."""
    rows = [
        *FIELD,
        row("broken", 40, 0.01, status="failed"),
        row("half", float("nan"), 0.01),
        row("harmful", 19.4, 0.01),
        row("elsewhere", 40, 0.01),
    ]
    rows = [r | {"weather": weather} for r in rows]
    table = ranked(board(*rows), cards(*NAMES, "broken", "half", "harmful"), weather)
    assert set(table["method"]) == set(NAMES)


def test_a_specialist_is_chosen_for_its_weather_alone():
    rows = (
        *FIELD,
        *(r | {"weather": "haze"} for r in FIELD),
        row("dehazer", float("nan"), float("nan"), status="skipped"),
        row("dehazer", 35, 0.05, weather="haze"),
    )
    at_hand = cards(*NAMES, "dehazer")
    assert pick(ranked(board(*rows), at_hand)).method == "slow"
    assert pick(ranked(board(*rows), at_hand, "haze")).method == "dehazer"


@pytest.mark.parametrize(
    ("megapixels", "budget", "chosen"),
    [(1, None, "slow"), (1, 50, "slow"), (1.1, 50, "fast"), (12, 6, "fast"), (12, 5.9, "classic")],
)
def test_the_budget_is_for_the_photos_size(megapixels, budget, chosen):
    assert pick(ranked(board(*FIELD), cards(*NAMES)), megapixels, budget).method == chosen


def test_a_budget_too_small_says_what_the_fastest_takes():
    with pytest.raises(UserError, match=r"10 megapixels in 0\.5 s: the fastest, classic, .* 1 s"):
        pick(ranked(board(*FIELD), cards(*NAMES)), 10, 0.5)


def test_without_times_no_budget_can_be_kept():
    rows = [r | {"seconds_per_megapixel": float("nan")} for r in FIELD]
    table = ranked(board(*rows), cards(*NAMES))
    assert pick(table).method == "slow"
    with pytest.raises(UserError, match="no times"):
        pick(table, 1, 10)


def test_the_reason_names_ranks_budget_and_time():
    why = pick(ranked(board(*FIELD), cards(*NAMES)), 2, 10).why
    assert why.startswith("fast: the best mean rank (PSNR 2, LPIPS 2 of 3) within 10 s")
    assert "2 megapixels; about 1 s" in why


def test_methods_without_weights_are_passed_over_by_name():
    table = ranked(board(*FIELD), cards(*NAMES))
    choice = pick(table, lacking=("slow",))
    assert choice.method == "fast"
    assert "(PSNR 2, LPIPS 2 of 3) of those with weights;" in choice.why
    assert choice.why.endswith("Ranked higher, but without weights: slow")
    with pytest.raises(UserError, match="train slow"):
        pick(table, lacking=NAMES)


def test_a_leaderboard_without_ground_truth_cannot_choose():
    rows = [r | {"rgb/psnr": float("nan"), "lpips-alex/lpips": float("nan")} for r in FIELD]
    with pytest.raises(UserError, match="no PSNR or LPIPS for the weather 'all'"):
        ranked(board(*rows), cards(*NAMES))
    with pytest.raises(UserError, match=r"'snow'.*--method"):
        ranked(board(*FIELD), cards(*NAMES), "snow")


def test_a_field_of_controls_cannot_be_chosen_from():
    with pytest.raises(UserError, match="name one with --method"):
        pick(ranked(board(*FIELD), cards()))
