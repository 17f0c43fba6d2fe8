"""Published numbers beside the run's own, as values for the template."""

from typing import Any

import pandas as pd

from benchmark.board.legend import MISSING
from benchmark.board.published import (
    DIGITS,
    GROUP,
    PREFACE,
    caption,
    load,
    notes_of,
    of_run,
)
from benchmark.report.run_data import RunData


def published_tables(data: RunData) -> dict[str, Any]:
    """`preface`, `tables`, one a data set, split and protocol, and the `sources` that they name.

    Tables and sources are empty if there are no published numbers on the run's data sets. Raises
    UserError if `config/published.yaml` is malformed.
    """
    found, _ = of_run(data.run_dir, data.board, data.methods)
    groups, notes = found.groupby(GROUP, sort=False), notes_of(load())
    used = {source for sources in found["sources"] for source in sources.split()}
    return {
        "preface": PREFACE,
        "tables": [
            {"caption": caption(*key), "note": notes[key], "rows": _rows(rows)}
            for key, rows in groups
        ],
        "sources": {key: text for key, text in load().sources.items() if key in used},
    }


def _rows(rows: pd.DataFrame) -> list[dict[str, Any]]:
    printed = rows.groupby(["method", "metric"])["published"].nunique()
    texts = []
    for row in rows.itertuples():
        digits = DIGITS[row.metric]
        texts.append(
            {
                "method": row.method,
                "metric": row.metric.upper(),
                "published": f"{row.published:.{digits}f}",
                "disagree": printed[row.method, row.metric] > 1,
                "measured": MISSING if row.reason else f"{row.measured:.{digits}f}",
                "by": row.reason or row.entry,
                "difference": MISSING if row.reason else f"{row.difference:+.{digits}f}",
                "sources": row.sources.split(),
                "note": row.note,
            }
        )
    return texts
