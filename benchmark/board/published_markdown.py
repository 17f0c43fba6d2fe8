"""Published and measured numbers as texts: for a Markdown table and for the report."""

from typing import Any

import pandas as pd

from benchmark.board.legend import MISSING
from benchmark.board.published_numbers import DIGITS, Published
from benchmark.board.score_table import ALL
from benchmark.core.markdown import cell, markdown_table

PREFACE = (
    "Published numbers beside those of this run, on the same images. The protocol is the one of "
    "this suite that is closest to how the number was computed (docs/protocols.md). If sources "
    "disagree, all of their numbers are listed, and marked by ≠."
)
GROUP = ["dataset", "split", "weather", "protocol"]  # columns; one table each
HEADS = ("method", "metric", "published", "measured", "difference", "sources")
ALIGN = ("left", "left", "right", "right", "right", "left")


def to_markdown(table: pd.DataFrame, published: Published) -> str:
    """The table of `beside` as Markdown, with its sources; empty if it has no row."""
    if table.empty:
        return ""
    parts = ["## Published and measured", "", PREFACE, ""]
    notes = notes_of(published)
    for key, rows in table.groupby(GROUP, sort=False):
        lines = [_line(texts) for texts in texts_of(rows)]
        parts += [f"### {caption(*key)}", ""]
        parts += [notes[key], ""] if notes[key] else []
        parts += [markdown_table(HEADS, lines, ALIGN), ""]
        marked = rows[rows["note"] != ""].drop_duplicates(["method", "note"])
        if len(marked):
            parts += [f"- {cell(r.method)} ({r.sources}): {r.note}" for r in marked.itertuples()]
            parts.append("")
    used = {source for sources in table["sources"] for source in sources.split()}
    parts += [f"- {key}: {text}" for key, text in published.sources.items() if key in used]
    return "\n".join(parts) + "\n"


def caption(dataset: str, split: str, weather: str, protocol: str) -> str:
    """The caption of a table: data set, split, weather if not all, protocol."""
    return f"{dataset} {split}{'' if weather == ALL else f', {weather}'}: {protocol}"


def notes_of(published: Published) -> dict[tuple[str, ...], str]:
    """The notes of the tables, by the columns GROUP."""
    return {(t.dataset, t.split, t.weather, t.protocol): t.note for t in published.tables}


def texts_of(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of one table as texts, by name; `sources` is a list, and `disagree` says whether
    they have other numbers. `by` is the entry that was measured, or why none was."""
    printed = rows.groupby(["method", "metric"])["published"].nunique()
    texts = []
    for row in rows.itertuples():
        digits = DIGITS[row.metric]
        texts.append(
            {
                "method": row.method,
                "metric": row.metric.upper(),
                "published": f"{row.published:.{digits}f}",
                "disagree": bool(printed[row.method, row.metric] > 1),
                "measured": MISSING if row.reason else f"{row.measured:.{digits}f}",
                "by": row.reason or row.entry,
                "difference": MISSING if row.reason else f"{row.difference:+.{digits}f}",
                "sources": row.sources.split(),
                "note": row.note,
            }
        )
    return texts


def _line(texts: dict[str, Any]) -> tuple[str, ...]:
    return (
        cell(texts["method"]),
        texts["metric"],
        texts["published"] + " ≠" * texts["disagree"],
        cell(f"{texts['measured']} ({texts['by']})"),
        texts["difference"],
        cell(" ".join(texts["sources"])),
    )
