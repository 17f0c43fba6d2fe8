"""The leaderboard on a terminal: one weather of each data set, as much as there is room for."""

import math
import os
from collections.abc import Sequence

import pandas as pd
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from benchmark.board.aggregate import NO_REFERENCE, Board
from benchmark.board.format import MAIN, broken, count_text, seconds_text, value_text
from benchmark.board.legend import NO_MEAN, short_legend
from benchmark.board.score_table import ALL
from benchmark.board.verdicts import Footnotes, harmful, note_of, row_name
from benchmark.results.tables import Cards, by_key
from benchmark.scoring.metrics import METRIC

COSTS = {
    "seconds": ("seconds", seconds_text),
    "NFE": ("nfe", count_text),
    "params": ("parameters", count_text),
    "training s": ("training_seconds", seconds_text),
}
# How many metrics have their interval, and how many costs are there: the widest first.
LAYOUTS = ((len(MAIN), len(COSTS)), (len(MAIN), 2), (1, 2), (0, 2))
UNKNOWN_WIDTH = 200  # a file or a pipe has no width, and rich would take 80
SHORTEST_NAME = 12


def print_board(board: Board, methods: Cards, weather: str = ALL) -> None:
    """Print the rows of one weather of each data set to the terminal, best first, controls last.

    Below a table stand the reasons of its missing values. A narrow terminal leaves out intervals,
    then breaks names after `_`.
    """
    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = UNKNOWN_WIDTH
    table = board.table
    for dataset, rows in table[table["weather"] == weather].groupby("dataset", sort=False):
        weathers = table.loc[table["dataset"] == dataset, "weather"].nunique() - 1
        writer = _Rows(board, rows, methods)
        against = "without ground truth" if writer.unpaired else "on RGB"
        kinds = weather if weather != ALL else f"all {weathers} weathers" if weathers > 1 else ""
        kinds += ", " if kinds else ""
        console.print(f"{dataset}: {kinds}scored {against}", markup=False, highlight=False)
        console.print(_fitting(writer, console), markup=False)
        for number, note in enumerate(writer.notes, 1):
            console.print(f"[{number}] {note}", markup=False, highlight=False)
    shown = table.loc[table["weather"] == weather, list(MAIN)]
    infinite = [NO_MEAN] if shown.isin([math.inf]).any(axis=None) else []
    for entry in (*short_legend(methods), *infinite):
        console.print(f"{entry.term}: {entry.text}", markup=False, highlight=False)


class _Rows:
    """The rows of one data set as texts.

    names: (N,) with signs and the numbers of their `notes`. metrics: those that are shown.
    """

    def __init__(self, board: Board, rows: pd.DataFrame, methods: Cards):
        self.rows = rows
        self.metrics = [metric for metric in MAIN if rows[metric].notna().any()]
        self.unpaired = not self.metrics
        if self.unpaired:
            self.metrics = [metric for metric in NO_REFERENCE if rows[metric].notna().any()]
        cards = by_key(methods)
        worse = harmful(board.table, methods)
        footnotes = Footnotes()
        self.names = [
            row_name(row, cards, worse) + footnotes.mark(note_of(row, board.reasons))
            for _, row in rows.iterrows()
        ]
        self.notes = footnotes.notes

    def table(self, names: Sequence[str], intervals: int, costs: int) -> Table:
        shown = dict(list(COSTS.items())[:costs])
        table = Table(box=box.SIMPLE, pad_edge=False, collapse_padding=True)
        table.add_column("rank", no_wrap=True)
        table.add_column("method", no_wrap=True)
        for heading in (*(f"{METRIC[m].acronym} {METRIC[m].arrow}" for m in self.metrics), *shown):
            table.add_column(heading, justify="right", no_wrap=True)
        for name, (_, row) in zip(names, self.rows.iterrows(), strict=True):
            values = [value_text(row, metric) for metric in self.metrics]
            values[intervals:] = [text.split(" ")[0] for text in values[intervals:]]
            table.add_row(
                row["rank"],
                Text(name),
                *values,
                *(write(row[column]) for column, write in shown.values()),
            )
        return table


def _fitting(writer: _Rows, console: Console) -> Table:
    """The table with most in it that the console has room for."""
    unlimited = console.options.update(max_width=1000)
    for intervals, costs in LAYOUTS:
        table = writer.table(writer.names, intervals, costs)
        excess = Measurement.get(console, unlimited, table).maximum - console.width
        if excess <= 0:
            return table
    room = max(SHORTEST_NAME, max(map(len, writer.names)) - excess)
    return writer.table([broken(name, room) for name in writer.names], intervals, costs)
