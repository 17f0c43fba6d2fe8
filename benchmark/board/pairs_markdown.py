"""The comparisons of a run as Markdown: each method against the best of its data set."""

import math

import pandas as pd

from benchmark.board.format import interval_text, number_text, p_text
from benchmark.board.legend import BETTER, DIFFERENCE, OPEN_RANKS, P_HOLM, RANK
from benchmark.board.score_table import ALL
from benchmark.core.markdown import cell, markdown_table
from benchmark.results.tables import Cards, by_key, label
from benchmark.scoring.metrics import ANY_METRIC, Metric, SetMetric
from benchmark.significance.pairwise import rank_text

PREFACE = f"""\
# Comparisons

Each method is compared with the one that has the best mean (first row), on the same images, over
all weathers with equal weight. `comparisons.csv` has every pair and every weather.

- **{RANK.term}**: {OPEN_RANKS}
- **{DIFFERENCE.term}**: {DIFFERENCE.text} It is the method's mean minus the best mean.
- **d_z**: the difference in standard deviations of the photos' differences.
- **{P_HOLM.term}**: {P_HOLM.text}
- **{BETTER.term}**: {BETTER.text} In brackets: Wilson's 95 % interval over photos.
- **Average rank**: over photos; 1 is best. Two methods differ significantly if their average ranks
  are further apart than the critical difference (Nemenyi, 5 %). It shows how often a method is
  better, the difference by how much.
"""
HEADS = (
    "rank", "method", "seeds", "mean", "difference", "d_z", "p (Holm)", "better", "average rank"
)  # fmt: skip
ALIGN = ("left", "left", *["right"] * 7)


def to_markdown(pairs: pd.DataFrame, places: pd.DataFrame, methods: Cards) -> str:
    """pairs, places: from `pairs.Comparisons.tables`."""
    labels = {key: label(card) for key, card in by_key(methods).items()}
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
    metric = ANY_METRIC[first["metric"]]
    rows = [
        _row(place, against.get((place["method"], place["variant"]), {}), labels, metric)
        for place in places.to_dict("records")
    ]
    lines = [
        f"## {cell(first['dataset'])}: {metric.heading}",
        "",
        _of_sets(first, len(places))
        if isinstance(metric, SetMetric)
        else _friedman(first, len(places)),
        "",
        markdown_table(HEADS, rows, ALIGN),
    ]
    return "\n".join(lines) + "\n"


def _of_sets(first: pd.Series, count: int) -> str:
    return (
        f"{count} methods, {first['n_photos']} photos. A score of a set has no values of images: "
        "intervals and tests are from leaving out photos."
    )


def _friedman(first: pd.Series, count: int) -> str:
    if math.isnan(first["p_friedman"]):
        return f"{count} methods, {first['n_photos']} photos: too few for Friedman's test."
    return (
        f"{count} methods, {first['n_photos']} photos. Friedman's test that all average ranks are "
        f"equal: χ² = {first['friedman']:.1f}, {p_text(first['p_friedman'], named=True)}; critical "
        f"difference of average ranks {first['critical_difference']:.2f}."
    )


def _against(pairs: pd.DataFrame, best: tuple[str, str]) -> dict[tuple[str, str], dict]:
    """Each method's comparison with the best; the best is the second of the two."""
    found = {}
    for row in pairs.to_dict("records"):
        a, b = (row["method_a"], row["variant_a"]), (row["method_b"], row["variant_b"])
        if b == best:
            found[a] = row
        elif a == best:
            found[b] = swapped(row)
    return found


def swapped(row: dict) -> dict:
    """A row of `comparisons.csv` with its two methods swapped."""
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


def _row(place: dict, row: dict, labels: dict, metric: Metric) -> list[str]:
    decimals = metric.decimals
    return [
        rank_text(place["rank_first"], place["rank_last"]),
        cell(labels[place["method"], place["variant"]]),
        str(place["n_seeds"]),
        f"{place['value']:.{decimals}f}".replace("inf", "∞"),
        interval_text(row, "difference", f"+.{decimals}f"),
        number_text(row.get("effect", math.nan), "+.2f"),
        p_text(row.get("p_holm", math.nan)),
        interval_text(row, "p_better", ".2f"),
        number_text(place["average_rank"], ".2f"),
    ]
