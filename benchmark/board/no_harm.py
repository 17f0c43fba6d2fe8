"""What methods do to clear photographs, which they should leave as they are.

A mean would hide it: most photographs stay, and a few are spoilt. So the table has the median and
a tail: the PSNR that the worst tenth of the photographs does not exceed.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from benchmark.board.format import number_text
from benchmark.board.score_table import ScoreGroup
from benchmark.core.markdown import cell, markdown_table
from benchmark.results.tables import Cards, by_key, key_of, label

CLEAR = "clear"  # the weather of photographs without weather
METRIC = "rgb/psnr"
WORST = 0.1  # share of the photographs
COLUMNS = ("dataset", "method", "variant", "n_images", "median", "worst_tenth", "worst")
HEADS = ("method", "median", "worst tenth", "worst")
HEADING = "Clear photographs: PSNR RGB of the result against the input"
NOTE = (
    "In dB. Worst tenth: a tenth of the photographs, rounded up (two of 12), has at most this "
    "PSNR. ∞: left as they are."
)


def no_harm(group: ScoreGroup, methods: Cards) -> pd.DataFrame:
    """Columns COLUMNS, in dB: one row for each method and variant, the best worst tenth first.

    A method that leaves a photograph as it is has infinite PSNR there. median: with an even number
    of photographs the mean of the middle two, so infinite if one of these is. worst_tenth: what a
    tenth of the photographs, rounded up, does not exceed: of 12 the second worst. It is the value
    of a photograph and not between two, where a spoilt one would be mixed with one that is not.
    worst: the least.

    Left out are methods that need the ground truth, and those without a score of every photograph.
    No row if the group's weather is not `clear`.
    """
    rows = []
    values = group.complete(METRIC) if group.weather == CLEAR else {}
    for card in methods:
        key = key_of(card)
        if key not in values or card.get("sees_target"):
            continue
        psnr = values[key]
        tail = [float(psnr.quantile(q, interpolation="lower")) for q in (WORST, 0.0)]
        rows.append((group.dataset, *key, len(psnr), float(np.median(psnr)), *tail))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.sort_values(["worst_tenth", "median"], ascending=False, ignore_index=True)


def caption(table: pd.DataFrame) -> str:
    """The data set of a table of `no_harm` that has rows, and the number of its photographs."""
    first = table.iloc[0]
    return f"{first['dataset']}: {first['n_images']} photographs"


def texts_of(row: dict[str, Any]) -> list[str]:
    """The numbers of a row of `no_harm`, in the order of `HEADS`."""
    return [number_text(row[name], ".2f") for name in ("median", "worst_tenth", "worst")]


def to_markdown(tables: Sequence[pd.DataFrame], methods: Cards) -> str:
    """The tables of `no_harm` that have rows, in Markdown; empty if none has."""
    names = {key: label(card) for key, card in by_key(methods).items()}
    parts = []
    for table in tables:
        if table.empty:
            continue
        lines = [
            [cell(names[row["method"], row["variant"]]), *texts_of(row)]
            for row in table.to_dict("records")
        ]
        align = ["left"] + ["right"] * len(HEADS[1:])
        parts += [f"### {cell(caption(table))}", "", markdown_table(HEADS, lines, align), ""]
    return "\n".join([f"## {HEADING}", "", NOTE, "", *parts]) if parts else ""
