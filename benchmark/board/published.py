"""Published numbers beside those of a run, on the same images and under the same protocol."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.board.published_markdown import to_markdown
from benchmark.board.published_numbers import Published, Row, Table, load
from benchmark.core.errors import UserError
from benchmark.core.json_io import read_json
from benchmark.results.merged import runs_of
from benchmark.results.tables import Cards, label

COLUMNS = (
    "dataset",
    "split",
    "weather",
    "protocol",
    "metric",
    "method",
    "published",
    "sources",
    "entry",
    "measured",
    "difference",
    "reason",
    "note",
)


@dataclass(frozen=True)
class Part:
    """The images of a run's data set: a card's split, or only a part of it.

    whole: no limit. weathers: those chosen; None for all of the card.
    """

    card: str
    split: str
    whole: bool = True
    weathers: tuple[str, ...] | None = None

    def has_all(self, weather: str) -> bool:
        """Whether the run has every image of one weather, or of `all`."""
        return self.whole and (self.weathers is None or weather in self.weathers)


def beside(
    published: Published, board: pd.DataFrame, sets: dict[str, Part], methods: Cards
) -> pd.DataFrame:
    """Published and measured numbers; columns `COLUMNS`, one row a published number.

    board: a run's leaderboard. sets: the images of each of its data sets; published numbers on
    other images are left out. methods: the run's cards. `measured` is NaN, with a reason, if the
    run does not have the method, or not this metric of all images, or only a part of the data set.
    A method with several variants or entries has a row for each.
    """
    rows = []
    for table in published.tables:
        for name, part in sets.items():
            if (part.card, part.split) == (table.dataset, table.split):
                own = board[(board["dataset"] == name) & (board["weather"] == table.weather)]
                for row in table.rows:
                    rows += _rows(table, row, part, own, methods)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _rows(
    table: Table, row: Row, part: Part, board: pd.DataFrame, methods: Cards
) -> list[dict[str, Any]]:
    """The rows of one published line; board: the rows of one data set."""
    cards = [card for card in methods if _is_of(row, card)]
    found = []
    for name, printed in row.numbers.items():
        for card in cards or [None]:
            value, reason = math.nan, "not in the run"
            if card is not None:
                own = (board["method"] == card["method"]) & (board["variant"] == card["variant"])
                metric, whole = f"{table.protocol}/{name}", part.has_all(table.weather)
                value, reason = _measured(board[own], metric, whole)
            found.append({
                "dataset": table.dataset,
                "split": table.split,
                "weather": table.weather,
                "protocol": table.protocol,
                "metric": name,
                "method": row.method,
                "published": printed,
                "sources": " ".join(row.sources),
                "entry": "" if card is None else label(card),
                "measured": value,
                "difference": value - printed,
                "reason": reason,
                "note": row.note,
            })  # fmt: skip
    return found


def _is_of(row: Row, card: dict[str, Any]) -> bool:
    """Whether a method of the run is that of a published line."""
    if row.weights:
        used = card.get("weights") or card.get("facts") or {}
        return used.get("sha256") == row.weights
    return bool(row.entry) and card.get("file") == f"methods/{row.entry}.py"


def _measured(line: pd.DataFrame, metric: str, whole: bool) -> tuple[float, str]:
    """A value of the leaderboard, or NaN with the reason why it is missing.

    whole: whether the run has all images of the published number.
    """
    if not whole:
        return math.nan, "the run has only a part of the images"
    value = float(line[metric].iloc[0]) if len(line) else math.nan
    return value, f"the run has no {metric} of all images" if math.isnan(value) else ""


def of_run(run_dir: Path, board: pd.DataFrame, methods: Cards) -> tuple[pd.DataFrame, str]:
    """The table of a run, and as Markdown; both empty if nothing is published on its data sets.

    `manifest.json` says which images the run's data sets have; a run without it has no table.
    Raises UserError if the manifest is malformed.
    """
    file = run_dir / "manifest.json"
    published = load()
    try:
        sets = parts_of(read_json(file), run_dir) if file.is_file() else {}
    except (AttributeError, KeyError, TypeError) as error:
        raise UserError(
            f"{file} does not say what the run's data sets are ({error!r}); collect the run again."
        ) from error
    table = beside(published, board, sets, methods)
    return table, to_markdown(table, published)


def parts_of(manifest: Any, folder: Path) -> dict[str, Part]:
    """The images of each data set of a run, from the settings in its manifest.

    A merged run has the data sets of the runs from which it was merged. folder: of the run. Raises
    as `runs_of`, and AttributeError, KeyError or TypeError if the settings are malformed.
    """
    return {
        name: Part(
            choice.get("card") or name,
            choice["split"],
            whole=choice.get("limit") is None,
            weathers=None if choice.get("weathers") is None else tuple(choice["weathers"]),
        )
        for run in runs_of(manifest, folder)
        for name, choice in run.get("config", {}).get("datasets", {}).items()
    }
