"""Published numbers beside the run's own, as values for the template."""

from typing import Any

from benchmark.board.published import of_run
from benchmark.board.published_markdown import GROUP, PREFACE, caption, notes_of, texts_of
from benchmark.board.published_numbers import load
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
            {"caption": caption(*key), "note": notes[key], "rows": texts_of(rows)}
            for key, rows in groups
        ],
        "sources": {key: text for key, text in load().sources.items() if key in used},
    }
