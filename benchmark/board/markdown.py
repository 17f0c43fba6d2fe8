"""The leaderboard as Markdown."""

from collections.abc import Sequence

import pandas as pd

from benchmark.board.aggregate import Board
from benchmark.board.format import MAIN, count_text, device_numbers, seconds_text, value_text
from benchmark.board.legend import MISSING, board_legend
from benchmark.board.verdicts import Footnotes, harmful, note_of, row_name, tables_of
from benchmark.core.markdown import cell, markdown_table
from benchmark.results.schema import GROUP, OK
from benchmark.results.tables import Cards, by_key
from benchmark.scoring.metrics import ANY_METRIC, METRIC

COSTS = {
    "s": ("seconds", seconds_text),
    "s/MP": ("seconds_per_megapixel", seconds_text),
    "NFE": ("nfe", count_text),
    "params": ("parameters", count_text),
    "training steps": ("training_steps", count_text),
    "training FLOP": ("training_flops", count_text),
    "training s": ("training_seconds", seconds_text),
}
SHORT_COSTS = {
    "seconds": ("seconds", seconds_text),
    "NFE": ("nfe", count_text),
    "training steps": ("training_steps", count_text),
    "training FLOP": ("training_flops", count_text),
}


def to_markdown(board: Board, methods: Cards, devices: Sequence[str] = ()) -> str:
    """The leaderboard as Markdown: for each data set a table for `all`, then one for each weather.

    methods: the cards. devices: those on which the costs were measured.
    """
    table = board.table
    parts = ["# Leaderboard", "", *_legend(methods), *_measured_on(devices), ""]
    parts += [
        f"- {metric.heading}: {metric.definition}"
        for key, metric in ANY_METRIC.items()
        if table[key].notna().any()
    ]
    parts += [""]
    writer = _Tables(board, methods, devices)
    for dataset, _, heading, rows in tables_of(table):
        parts += [f"## {cell(dataset)}: {cell(heading)}", ""]
        parts += writer.table(rows)
    return "\n".join(parts).rstrip() + "\n"


def short_table(board: Board, methods: Cards) -> str:
    """The scored methods on all weathers of the main data set, and the input, in a few columns.

    PSNR has its interval; other metrics and costs are single numbers.
    """
    *_, rows = next(tables_of(board.table))
    cards = by_key(methods)
    worse = harmful(board.table, methods)
    metrics = [metric for metric in MAIN if rows[metric].notna().any()]
    lines = []
    for _, row in rows.iterrows():
        if row["status"] != OK or cards[row["method"], row["variant"]].get("sees_target"):
            continue
        name = cell(row_name(row, cards, worse))
        first, *others = (value_text(row, metric) for metric in metrics)
        values = [first, *(text.split(" ")[0] for text in others)]
        costs = [write(row[column]) for column, write in SHORT_COSTS.values()]
        lines.append([name, cell(row["supervision"]), row["rank"] or MISSING, *values, *costs])
    headings = [f"{METRIC[metric].acronym} {METRIC[metric].arrow}" for metric in metrics]
    heads = ["method", "supervision", "rank", *headings, *SHORT_COSTS]
    return markdown_table(heads, lines, ["left"] * 2 + ["right"] * (len(heads) - 2))


def _legend(methods: Cards) -> list[str]:
    return [f"- **{entry.term}**: {entry.text}" for entry in board_legend(methods)]


def _measured_on(devices: Sequence[str]) -> list[str]:
    if not devices:
        return []
    if len(devices) == 1:
        return ["", f"Measured on {cell(devices[0])}."]
    named = "; ".join(f"{number}: {name}" for number, name in enumerate(devices, 1))
    return ["", f"Measured on several devices; column 'on' has their numbers. {cell(named)}."]


class _Tables:
    """Writes the tables of one board."""

    def __init__(self, board: Board, methods: Cards, devices: Sequence[str]):
        self.board, self.devices = board, devices
        self.cards = by_key(methods)
        self.worse = harmful(board.table, methods)

    def table(self, rows: pd.DataFrame) -> list[str]:
        """The lines of one table with the footnotes of its missing values."""
        metrics = [metric for metric in ANY_METRIC if rows[metric].notna().any()]
        headings = [ANY_METRIC[metric].heading for metric in metrics]
        heads = ["method", "supervision", "rank", "seeds", *headings, *COSTS]
        heads += ["on"] if len(self.devices) > 1 else []
        footnotes = Footnotes()
        lines = [self._row(row, metrics, footnotes) for _, row in rows.iterrows()]
        align = ["left"] * 2 + ["right"] * (len(heads) - 2)
        notes = [f"[{n}] {cell(note)}  " for n, note in enumerate(footnotes.notes, 1)]
        return [markdown_table(heads, lines, align), "", *notes, *([""] if notes else [])]

    def _row(self, row: pd.Series, metrics: Sequence[str], footnotes: Footnotes) -> list[str]:
        """The cells of one row; adds its note to `footnotes`."""
        group = tuple(row[GROUP])
        name = cell(row_name(row, self.cards, self.worse))
        name += footnotes.mark(note_of(row, self.board.reasons))
        values = [
            f"**{text}**" if (*group, metric) in self.board.best else text
            for metric in metrics
            for text in [value_text(row, metric)]
        ]
        costs = [write(row[column]) for column, write in COSTS.values()]
        on = [device_numbers(row["device"], self.devices)] if len(self.devices) > 1 else []
        place = [cell(row["supervision"]), row["rank"] or MISSING, str(row["n_seeds"])]
        return [name, *place, *values, *costs, *on]
