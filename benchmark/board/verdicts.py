"""Facts of a board besides its numbers: methods that make images worse, signs, devices."""

import math
from collections.abc import Iterator, Mapping

import pandas as pd

from benchmark.board.legend import CONTROL, HARM, HARMFUL, SUBMITTED
from benchmark.board.score_table import ALL
from benchmark.results.schema import GROUP, METHOD, OK
from benchmark.results.tables import Cards, key_of, label, shows_input


def harmful(board: pd.DataFrame, methods: Cards) -> set[tuple[str, str, str, str]]:
    """The rows (dataset, weather, method, variant) with RGB PSNR more than `HARM` dB below the
    input's: the method makes the images worse.

    board: columns `aggregate.COLUMNS`. The input is a control that `shows_input`. Where it is
    perfect (clear images) or missing, no row is returned.
    """
    inputs = [key_of(card) for card in methods if shows_input(card)]
    found = set()
    for _, part in board.groupby(["dataset", "weather"]):
        keys = pd.MultiIndex.from_frame(part[METHOD])
        least = part.loc[keys.isin(inputs), "rgb/psnr"].min()
        if math.isfinite(least):
            worse = part[(part["rgb/psnr"] < least - HARM).to_numpy()]
            found |= set(worse[GROUP].itertuples(index=False, name=None))
    return found


def marks(card: dict, worse: bool) -> str:
    """The signs after a method's name, each with a space before it."""
    signs = ((CONTROL, card.get("control")), (SUBMITTED, card.get("submitted")), (HARMFUL, worse))
    return "".join(f" {sign}" for sign, holds in signs if holds)


def row_name(
    row: pd.Series, cards: dict[tuple[str, str], dict], worse: set[tuple[str, str, str, str]]
) -> str:
    """The label of a row's method, with its signs. cards: `by_key`. worse: of `harmful`."""
    card = cards[row["method"], row["variant"]]
    return label(card) + marks(card, tuple(row[GROUP]) in worse)


class Footnotes:
    """The `notes` below a table, each once; their numbers are from 1."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def mark(self, note: str) -> str:
        """The sign of a note after a name, such as ` [3]`; empty without a note."""
        if not note:
            return ""
        if note not in self.notes:
            self.notes.append(note)
        return f" [{self.notes.index(note) + 1}]"


def tables_of(board: pd.DataFrame) -> Iterator[tuple[str, str, str, pd.DataFrame]]:
    """The tables of a board: data set, weather, its heading and its rows; for each data set `all`
    first, which is left out if there is a single weather."""
    for dataset, rows in board.groupby("dataset", sort=False):
        weathers = list(dict.fromkeys(rows["weather"]))
        if len(weathers) == 2:
            weathers.remove(ALL)
        for weather in weathers:
            heading = f"all {len(weathers) - 1} weathers" if weather == ALL else weather
            yield str(dataset), weather, heading, rows[rows["weather"] == weather]


def note_of(row: pd.Series, reasons: Mapping[tuple[str, str, str, str], str]) -> str:
    """Status and reason of a row of the board; empty if the status is ok."""
    if row["status"] == OK:
        return ""
    return ": ".join(filter(None, (row["status"], reasons.get(tuple(row[GROUP]), ""))))


def devices(cost: pd.DataFrame) -> list[str]:
    """The distinct devices on which the costs were measured."""
    return sorted(set(cost.loc[cost["status"] == OK, "device"]) - {""})
