"""The method that a leaderboard recommends for a photo and a time."""

import math

import pandas as pd
import pytest

from benchmark.board.aggregate import COLUMNS
from benchmark.board.recommend import choose, ranked
from benchmark.core.errors import UserError


def row(method, psnr, lpips, seconds=1.0, dataset="photos", weather="rain", **more):
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
    return pd.DataFrame(rows, columns=COLUMNS)


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


def pick(ranking, megapixels=1.0, budget=None, lacking=(), slower=1.0):
    """The choice on a machine that takes `slower` times as long as the leaderboard's."""
    times = ranking.table.set_index("method")["seconds_per_megapixel"]
    missing = lambda m: f"train {m}" if m in lacking else None  # noqa: E731
    return choose(ranking, megapixels, budget, missing, lambda m, v: slower * times[m])


def test_the_best_mean_rank_is_first():
    table = ranked(board(*FIELD), cards(*NAMES)).table
    assert table["method"].tolist() == list(NAMES)
    assert table["rank"].tolist() == [1, 2, 3]


def test_psnr_and_lpips_count_the_same_and_lpips_decides_ties():
    rows = (row("identity", 20, 0.5), row("sharp", 24, 0.1), row("smooth", 25, 0.2))
    table = ranked(board(*rows), cards("sharp", "smooth")).table
    assert table["rank"].tolist() == [1.5, 1.5]
    assert table["method"].tolist() == ["sharp", "smooth"]


def test_small_differences_are_none_and_the_faster_method_is_taken():
    rows = (row("identity", 20, 0.5), row("slow", 25.1, 0.201, 9), row("fast", 25, 0.204, 1))
    table = ranked(board(*rows), cards("slow", "fast")).table
    assert table["rank"].tolist() == [1, 1]
    assert table["method"].tolist() == ["fast", "slow"]


def test_ranks_are_averaged_over_data_sets_with_weather():
    rows = [
        row("identity", 20, 0.5), row("a", 30, 0.1), row("b", 29, 0.2), row("c", 28, 0.3),
        row("identity", 20, 0.5, dataset="other"), row("a", 25, 0.4, dataset="other"),
        row("b", 29, 0.2, dataset="other"), row("c", 26, 0.3, dataset="other"),
        # On clear images b is worst, but they do not count: there it is best to do nothing.
        row("identity", math.inf, 0, dataset="clear", weather="clear"),
        row("a", 40, 0.01, dataset="clear", weather="clear"),
        row("b", 20, 0.3, dataset="clear", weather="clear"),
        row("c", 40, 0.01, dataset="clear", weather="clear"),
    ]  # fmt: skip
    table = ranked(board(*rows), cards("a", "b", "c")).table.set_index("method")
    assert table.index[0] == "b"
    assert table["rank"].to_dict() == {"a": 2.0, "b": 1.5, "c": 2.5}


@pytest.mark.parametrize("asked", ["all", "haze"])
def test_what_is_left_out(asked):
    """Controls, the oracle, failures, a method below the input, and one that is not available."""
    rows = [
        *FIELD,
        row("broken", 40, 0.01, status="failed"),
        row("half", float("nan"), 0.01),
        row("harmful", 19.4, 0.01),
        row("elsewhere", 40, 0.01),
    ]
    rows = [r | {"weather": "haze"} for r in rows]
    table = ranked(board(*rows), cards(*NAMES, "broken", "half", "harmful"), asked).table
    assert set(table["method"]) == set(NAMES)


def test_a_specialist_is_chosen_for_its_weather_alone():
    rows = (
        *FIELD,
        *(r | {"weather": "haze"} for r in FIELD),
        row("dehazer", float("nan"), float("nan"), status="skipped"),  # on rain
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


def test_without_times_on_the_board_those_of_this_machine_decide():
    rows = [r | {"seconds_per_megapixel": float("nan")} for r in FIELD]
    ranking = ranked(board(*rows), cards(*NAMES))
    assert pick(ranking).method == "slow"
    assert choose(ranking, 1, 10, lambda m: None, lambda m, v: 3.0).method == "slow"


def test_the_reason_names_ranks_budget_and_sets():
    why = pick(ranked(board(*FIELD), cards(*NAMES)), 2, 10).why
    assert why.startswith("fast: the best mean rank (PSNR 2, LPIPS 2 of 3) within 10 s")
    assert why.endswith("for 2 megapixels, on sets not trained on: photos (rain)")


@pytest.mark.parametrize(("slower", "chosen"), [(0.5, "slow"), (1, "fast"), (9, "classic")])
def test_the_budget_is_kept_on_this_machine(slower, chosen):
    ranking = ranked(board(*FIELD), cards(*NAMES))
    assert pick(ranking, 1, 4 if chosen != "slow" else 25, slower=slower).method == chosen


def test_a_method_far_above_the_budget_is_not_timed():
    asked = []
    ranking = ranked(board(*FIELD), cards(*NAMES))
    choose(ranking, 1, 4.9, lambda m: None, lambda m, v: asked.append(m) or 1.0)
    assert asked == ["fast"]


def test_sets_that_were_not_trained_on_decide_on_their_weather():
    rows = [
        row("identity", 20, 0.5), row("learned", 30, 0.1), row("filter", 25, 0.3),
        row("identity", 20, 0.5, dataset="real"), row("learned", 21, 0.4, dataset="real"),
        row("filter", 24, 0.3, dataset="real"),
        row("identity", 20, 0.5, weather="haze"), row("learned", 30, 0.1, weather="haze"),
        row("filter", 25, 0.3, weather="haze"),
    ]  # fmt: skip

    def best(weather, trained=("photos",)):
        return pick(ranked(board(*rows), cards("learned", "filter"), weather, trained))

    assert best("rain").method == "filter"
    assert best("rain").why.endswith("on sets not trained on: real (rain)")
    assert best("haze").method == "learned"
    assert best("haze").why.endswith("on held-out pictures of the set trained on: photos (haze)")
    assert best("all").why.endswith(
        "on sets not trained on: real (rain); "
        "held-out pictures of the set trained on: photos (haze)"
    )


def test_each_weather_counts_the_same_and_harm_in_one_is_enough():
    rows = []
    for name, psnr in (("identity", 20), ("a", 30), ("b", 29)):
        for dataset in ("one", "two", "three"):
            rows.append(row(name, psnr, 5 / psnr, dataset=dataset))
        hazy = {"identity": 20, "a": 25, "b": 26}[name]
        rows.append(row(name, hazy, 5 / hazy, weather="haze", dataset="one"))
    table = ranked(board(*rows), cards("a", "b")).table
    assert table["rank"].tolist() == [1.5, 1.5]
    rows += [row("identity", 20, 0.5, weather="snow"), row("a", 19, 0.6, weather="snow"),
             row("b", 21, 0.4, weather="snow")]  # fmt: skip
    assert ranked(board(*rows), cards("a", "b")).table["method"].tolist() == ["b"]


def test_methods_without_weights_are_passed_over_by_name():
    table = ranked(board(*FIELD), cards(*NAMES))
    choice = pick(table, lacking=("slow",))
    assert choice.method == "fast"
    assert "(PSNR 2, LPIPS 2 of 3) of those with weights, on" in choice.why
    assert choice.why.endswith("Ranked higher, but without weights: slow")
    with pytest.raises(UserError, match="train slow"):
        pick(table, lacking=NAMES)


def test_a_set_without_lpips_is_ranked_by_psnr_alone():
    rows = [
        row("identity", 20, 0.5), row("sharp", 24, 0.1), row("smooth", 25, 0.2),
        *(row(name, psnr, float("nan"), dataset="other")
          for name, psnr in (("identity", 20), ("sharp", 24), ("smooth", 26))),
    ]  # fmt: skip
    at_hand = cards("sharp", "smooth")
    table = ranked(board(*rows), at_hand).table.set_index("method")
    assert table[["PSNR", "LPIPS"]].to_dict("index") == {
        "smooth": {"PSNR": 1, "LPIPS": 2},
        "sharp": {"PSNR": 2, "LPIPS": 1},
    }
    # The only set that counts has no LPIPS: the reason does not speak of it.
    choice = pick(ranked(board(*rows), at_hand, trained=("photos",)))
    assert choice.why.startswith("smooth: the best mean rank (PSNR 1 of 2), on sets not trained on")


def test_a_leaderboard_without_ground_truth_cannot_choose():
    rows = [r | {"rgb/psnr": float("nan"), "lpips-alex/lpips": float("nan")} for r in FIELD]
    with pytest.raises(UserError, match="no PSNR or LPIPS for the weather 'all'"):
        ranked(board(*rows), cards(*NAMES))
    with pytest.raises(UserError, match=r"'snow'.*--method"):
        ranked(board(*FIELD), cards(*NAMES), "snow")


def test_a_field_of_controls_cannot_be_chosen_from():
    with pytest.raises(UserError, match="name one with --method"):
        pick(ranked(board(*FIELD), cards()))
