"""The comparisons of a run as Markdown: each method against the best of its data set."""

import math

import pandas as pd

from benchmark.board.aggregate import ALL
from benchmark.board.format import (
    DECIMALS,
    HEADINGS,
    cell,
    interval_text,
    number_text,
    p_text,
)
from benchmark.results.tables import Cards, label
from benchmark.significance.pairwise import rank_text

PREFACE = """\
# Comparisons

Methods on the same images, each against the one with the best mean (first row), over all weathers
with equal weight; every pair and weather is in `comparisons.csv`.
Rank: the range that paired tests leave open, Holm-corrected for all pairs of the table (5 %).
Difference: method minus the best, with its 95 % interval over photos and, where there are several,
seeds. d_z: that difference in standard deviations of the photos' differences.
Better: the probability that the method is better than the best on an image, ties counting half,
with Wilson's 95 % interval over photos.
Average rank over photos (1 is best): two that are further apart than the critical difference
differ (Nemenyi, 5 %). It asks how often a method is better, where the difference asks by how much.
"""
HEADS = (
    "rank", "method", "seeds", "mean", "difference", "d_z", "p (Holm)", "better", "average rank"
)  # fmt: skip
LINE = "|---|---|---:|---:|---:|---:|---:|---:|---:|"


def to_markdown(pairs: pd.DataFrame, places: pd.DataFrame, methods: Cards) -> str:
    """pairs, places: from `comparisons.compare_all`."""
    labels = {(card["method"], card["variant"]): label(card) for card in methods}
    parts = [PREFACE]
    if places.empty:
        parts.append("No method has a score on every image, so there is nothing to compare.\n")
    else:
        of_all = places[places["weather"] == ALL]
        groups = of_all.groupby(["dataset", "metric"], sort=False)
        parts += [_section(rows, pairs, labels) for _, rows in groups]
    return "\n".join(parts)


def _section(places: pd.DataFrame, pairs: pd.DataFrame, labels: dict) -> str:
    first = places.iloc[0]
    same = (pairs[["dataset", "weather", "metric"]] == first[["dataset", "weather", "metric"]]).all(
        axis=1
    )
    against = _against(pairs[same], (first["method"], first["variant"]))
    lines = [
        f"## {cell(first['dataset'])}: {HEADINGS[first['metric']]}",
        "",
        _friedman(first, len(places)),
        "",
        "| " + " | ".join(HEADS) + " |",
        LINE,
    ]
    decimals = DECIMALS[first["metric"]]
    for place in places.to_dict("records"):
        row = against.get((place["method"], place["variant"]), {})
        lines.append(_row(place, row, labels, decimals))
    return "\n".join(lines) + "\n"


def _friedman(first: pd.Series, count: int) -> str:
    if math.isnan(first["p_friedman"]):
        return f"{count} methods, {first['n_photos']} photos: too few for Friedman's test."
    return (
        f"{count} methods, {first['n_photos']} photos. Friedman's test that all rank alike: "
        f"χ² = {first['friedman']:.1f}, {p_text(first['p_friedman'], named=True)}; critical "
        f"difference of average ranks {first['critical_difference']:.2f}."
    )


def _against(pairs: pd.DataFrame, best: tuple[str, str]) -> dict[tuple[str, str], dict]:
    """Each method's comparison with the best, turned so that the best is the second of the two."""
    found = {}
    for row in pairs.to_dict("records"):
        a, b = (row["method_a"], row["variant_a"]), (row["method_b"], row["variant_b"])
        if b == best:
            found[a] = row
        elif a == best:
            found[b] = turned(row)
    return found


def turned(row: dict) -> dict:
    """A row of `comparisons.csv` as if its two methods had been the other way round."""
    return {
        "difference": -row["difference"],
        "difference_low": -row["difference_high"],
        "difference_high": -row["difference_low"],
        "effect": -row["effect"],
        "p_holm": row["p_holm"],
        "p_better": 1 - row["p_better"],
        "p_better_low": 1 - row["p_better_high"],
        "p_better_high": 1 - row["p_better_low"],
    }


def _row(place: dict, row: dict, labels: dict, decimals: int) -> str:
    texts = [
        rank_text(place["rank_first"], place["rank_last"]),
        cell(labels[place["method"], place["variant"]]),
        str(place["n_seeds"]),
        f"{place['value']:.{decimals}f}".replace("inf", "∞"),
        interval_text(row, "difference", f"+.{decimals}f"),
        number_text(row.get("effect", math.nan), "+.2f"),
        p_text(row.get("p_holm", math.nan)),
        interval_text(row, "p_better", ".2f"),
        f"{place['average_rank']:.2f}",
    ]
    return "| " + " | ".join(texts) + " |"
