"""Pairs of a data set's best methods, compared: from the run's `comparisons.csv`."""

import math
from itertools import combinations
from typing import Any

import pandas as pd

from benchmark.board.format import interval_text, p_text
from benchmark.board.legend import MISSING
from benchmark.board.pairs import COLUMNS
from benchmark.board.pairs_markdown import swapped
from benchmark.board.set_table import FEWEST_PHOTOS
from benchmark.board.verdicts import tables_of
from benchmark.core.errors import UserError
from benchmark.report.parts import method_page
from benchmark.report.run_data import Key, RunData
from benchmark.results.tables import read_table
from benchmark.scoring.metrics import ANY_METRIC, SET_METRIC
from benchmark.significance.paired_tests import ALPHA

SHOWN = 10  # methods of a data set
WITH_TARGET = ("rgb/psnr", "lpips-alex/lpips", *SET_METRIC)
WITHOUT_TARGET = ("no-reference/niqe",)
TOO_FEW = (
    f"not compared: a score of a set of images needs {FEWEST_PHOTOS} photos for an interval and a "
    "test."
)
FILE = "comparisons.csv"
NUMBERS = COLUMNS[COLUMNS.index("difference") :]

Pairs = dict[tuple[str, str, str, Key, Key], dict[str, Any]]


def comparison_tables(data: RunData) -> list[dict[str, Any]]:
    """A matrix for each table of the board and metric: its best `SHOWN` methods by rank.

    A cell is the row's method minus the column's, which has the better rank. Instead of rows, a
    table has a `note` if its metric cannot be compared on so few photos. There are no tables if the
    run does not have `comparisons.csv`. Raises UserError if it is malformed or does not fit the
    leaderboard.
    """
    pairs = _read(data)
    if pairs is None:
        return []
    tables = []
    for dataset, weather, heading, rows in tables_of(data.board):
        for metric in _metrics(rows):
            scored = rows[rows[metric].notna() & (rows["rank"] != "")]
            scored = scored.sort_values("rank", key=_first_and_last, kind="stable").head(SHOWN)
            if len(scored) < 2:
                continue
            few = metric in SET_METRIC and scored[f"{metric}_low"].isna().all()
            tables.append(
                {
                    "dataset": dataset,
                    "weather": weather,
                    "metric": ANY_METRIC[metric].heading,
                    "caption": f"{dataset}, {heading}: {ANY_METRIC[metric].heading}",
                    "note": TOO_FEW if few else "",
                    **({} if few else _matrix(data, pairs, (dataset, weather, metric), scored)),
                }
            )
    return tables


def _read(data: RunData) -> Pairs | None:
    """The pairs of the metrics that are shown, each in both orders."""
    path = data.run_dir / FILE
    if not path.is_file():
        return None
    table = read_table(path, COLUMNS, _again(data), NUMBERS)
    pairs: Pairs = {}
    shown = table["metric"].isin([*WITH_TARGET, *WITHOUT_TARGET])
    for row in table[shown].to_dict("records"):
        a, b = (row["method_a"], row["variant_a"]), (row["method_b"], row["variant_b"])
        group = (row["dataset"], row["weather"], row["metric"])
        pairs[*group, a, b] = row
        pairs[*group, b, a] = swapped(row)
    return pairs


def _again(data: RunData) -> str:
    return f"run 'python -m benchmark comparisons {data.run_dir}' again"


def _metrics(rows: pd.DataFrame) -> list[str]:
    """The metrics to compare by; without ground truth, metrics that do not need it."""
    ranked = rows[rows["rank"] != ""]
    found = [metric for metric in WITH_TARGET if ranked[metric].notna().any()]
    return found or [metric for metric in WITHOUT_TARGET if ranked[metric].notna().any()]


def _first_and_last(ranks: pd.Series) -> pd.Series:
    return ranks.map(lambda rank: tuple(int(end) for end in (rank.split("–") * 2)[:2]))


def _matrix(
    data: RunData, pairs: Pairs, group: tuple[str, str, str], rows: pd.DataFrame
) -> dict[str, Any]:
    """`heads` and `rows` of one table. group: data set, weather and metric."""
    metric = group[-1]
    means = {(row["method"], row["variant"]): row[metric] for _, row in rows.iterrows()}
    ranks = {(row["method"], row["variant"]): row["rank"] for _, row in rows.iterrows()}
    keys = list(means)
    cells: dict[tuple[Key, Key], dict[str, Any]] = {}
    for b, a in combinations(keys, 2):  # in the table, the row's method is below the column's
        row = pairs.get((*group, a, b))
        if row is None or not _agrees(row["difference"], means[a] - means[b]):
            raise UserError(
                f"{data.run_dir / FILE} does not have the difference of {data.label(a)} and "
                f"{data.label(b)} in {metric} that the leaderboard has; {_again(data)}."
            )
        cells[a, b] = _cell(row, ANY_METRIC[metric].decimals)
    return {
        "heads": [{"label": data.label(key), "rank": ranks[key]} for key in keys[:-1]],
        "rows": [
            {
                "label": data.label(a),
                "href": method_page(a[0]),
                "rank": ranks[a],
                "cells": [cells[a, b] for b in keys[:number]],
                # Cells above the diagonal would be those below it with the opposite sign.
                "blank": len(keys) - 1 - number,
            }
            for number, a in enumerate(keys[1:], 1)
        ],
    }


def _agrees(difference: float, expected: float) -> bool:
    """Whether a difference is that of the present means; true if one of them is not finite."""
    both = math.isfinite(difference) and math.isfinite(expected)
    return not both or math.isclose(difference, expected, abs_tol=1e-6)


def _cell(row: dict[str, Any], decimals: int) -> dict[str, Any]:
    text, _, interval = interval_text(row, "difference", f"+.{decimals}f").partition(" ")
    return {
        "text": text,
        "interval": interval,
        "p": p_text(row["p_holm"], named=True) if not math.isnan(row["p_holm"]) else MISSING,
        # A score of a set has no values of images to be better on.
        "better": "" if math.isnan(row["p_better"]) else f"{100 * row['p_better']:.0f}",
        "apart": row["p_holm"] < ALPHA,
    }
