"""The data of a report: a run's tables, read once, with the look-ups that its pages need."""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmark.board.changes import input_key
from benchmark.board.score_table import ALL, METRICS, ScoreTable
from benchmark.board.verdicts import devices, harmful, marks
from benchmark.board.write import read_board
from benchmark.core.errors import UserError
from benchmark.core.json_io import read_json
from benchmark.results.schema import IMAGE, METHOD, NO_TARGET, OK, SKIPPED
from benchmark.results.tables import (
    by_key,
    label,
    read_cost,
    read_images,
    read_methods,
    read_scores,
)

FIGURE_KEYS = ("dataset", "name", "title", "alt", "file")
Key = tuple[str, str]
Place = tuple[str, str, str]


class RunData:
    """The tables of a run. Raises UserError naming the file that is missing or malformed.

    If a run has no `images.csv`, `manifest.json` or `figures/figures.json`, `images`, `manifest` or
    `figures` is None, {} or [].
    """

    def __init__(self, run_dir: Path):
        self.run_dir = run_dir
        self.name = run_dir.resolve().name
        self.root = run_dir.resolve().parents[1]  # the paths in images.csv start here
        self.scores = read_scores(run_dir)
        self.methods = read_methods(run_dir)
        self.images = read_images(run_dir)
        self.devices = devices(read_cost(run_dir))
        self.manifest = self._optional("manifest.json", {})
        self.figures = self._figures()
        self.cards = by_key(self.methods)
        board = read_board(run_dir)
        self.board, self.best, self.reasons = board.table, board.best, board.reasons
        self.worse = harmful(self.board, self.methods)
        self.table = ScoreTable(self.scores, self.methods, self.images)
        self.wide = self.table.wide
        self._values = self.wide.to_numpy()
        self._rows = {place: number for number, place in enumerate(self.wide.index)}
        self._columns = {column: number for number, column in enumerate(self.wide.columns)}

    def label(self, key: Key) -> str:
        return label(self.cards[key])

    def marks(self, group: tuple[str, str, str, str]) -> str:
        """The signs after a name in (dataset, weather, method, variant), such as ` †`."""
        return marks(self.cards[group[2:]], group in self.worse)

    @cached_property
    def input_key(self) -> Key | None:
        """The control that returns the input."""
        return input_key(self.methods)

    def leader(self, dataset: str) -> Key | None:
        """The first method in the `all` table of a data set; no control."""
        rows = self.board[(self.board["dataset"] == dataset) & (self.board["weather"] == ALL)]
        for row in rows.itertuples():
            key = (row.method, row.variant)
            if not self.cards[key].get("control") and row.status == OK:
                return key
        return None

    @cached_property
    def method_names(self) -> list[str]:
        """The methods, each with a page, in the order of the run."""
        return list(dict.fromkeys(card["method"] for card in self.methods))

    def chosen(self, method: str) -> Key | None:
        """The variant that a method's page shows: its first in the first table."""
        rows = self.board[(self.board["method"] == method) & (self.board["weather"] == ALL)]
        return (method, rows["variant"].iloc[0]) if len(rows) else None

    def gains(self, key: Key | None) -> pd.Series:
        """RGB PSNR minus the input's, by (dataset, weather, image); empty if one is unknown.

        An image without weather, or restored without an error, has none."""
        if key is None or self.input_key is None:
            return pd.Series(dtype=float)
        both = (self.wide.get((*name, "rgb/psnr")) for name in (key, self.input_key))
        values = [column for column in both if column is not None]
        if len(values) < 2:
            return pd.Series(dtype=float)
        gains = values[0] - values[1]
        return gains[np.isfinite(gains)]

    def score(self, place: Place, key: Key, metric: str) -> float:
        """Mean over seeds of one image's metric, one of `METRICS`; NaN if it is missing."""
        assert metric in METRICS
        row, column = self._rows.get(place, -1), self._columns.get((*key, metric), -1)
        return float(self._values[row, column]) if min(row, column) >= 0 else np.nan

    @cached_property
    def problems(self) -> dict[tuple[str, str, str, str, str], str]:
        """Status and reason if it is not ok, by (dataset, weather, image, method, variant).

        That there is no target counts only for an image that has no score without one either.
        """
        names = [*IMAGE, *METHOD]
        no_target = (self.scores["status"] == SKIPPED) & (self.scores["reason"] == NO_TARGET)
        places = pd.MultiIndex.from_frame(self.scores[names])
        bad = (self.scores["status"] != OK) & ~(no_target & places.isin(places[~no_target]))
        found = self.scores.loc[bad, [*names, "status", "reason"]].drop_duplicates(names)
        return {
            tuple(row[:5]): ": ".join(filter(None, row[5:])) for row in found.to_numpy().tolist()
        }

    def _figures(self) -> list[dict[str, str]]:
        path = self.run_dir / "figures" / "figures.json"
        figures = self._optional("figures/figures.json", [])
        try:
            known = [{key: str(figure[key]) for key in FIGURE_KEYS} for figure in figures]
        except (TypeError, KeyError) as error:
            raise UserError(f"{path} is damaged ({error!r:.60}); draw the figures again.") from None
        return [figure for figure in known if (path.parent / figure["file"]).is_file()]

    def _optional(self, name: str, absent: Any) -> Any:
        path = self.run_dir / name
        return read_json(path) if path.is_file() else absent
