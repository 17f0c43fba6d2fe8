"""What the report is made from: a run's tables, read once, with the look-ups its pages need."""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmark.board.aggregate import ALL, GROUP, METRICS, leaderboard, per_image, statuses
from benchmark.board.verdicts import devices, harmful, leaders, marks
from benchmark.core.errors import UserError
from benchmark.core.json_io import read_json
from benchmark.results.schema import OK
from benchmark.results.tables import (
    label,
    read_cost,
    read_images,
    read_methods,
    read_scores,
    shows_input,
)

FIGURE_KEYS = ("dataset", "name", "title", "alt", "file")
Key = tuple[str, str]
Place = tuple[str, str, str]


class RunData:
    """The tables of a run. Raises UserError naming the file that is missing or malformed.

    `images`, `manifest` and `figures` may be absent in a run: then they are None, {} and [].
    """

    def __init__(self, run_dir: Path):
        self.run_dir = run_dir
        self.name = run_dir.resolve().name
        self.root = run_dir.resolve().parents[1]  # where the paths of images.csv start
        self.scores = read_scores(run_dir)
        self.methods = read_methods(run_dir)
        self.images = read_images(run_dir)
        cost = read_cost(run_dir)
        self.devices = devices(cost)
        self.board = leaderboard(self.scores, cost, self.methods, self.images)
        self.worse = harmful(self.board, self.methods)
        self.manifest = self._optional("manifest.json", {})
        self.figures = self._figures()
        self.cards: dict[Key, dict[str, Any]] = {
            (card["method"], card["variant"]): card for card in self.methods
        }
        self.wide = per_image(self.scores)
        self.leaders = set(
            leaders(self.scores, self.methods, self.images).itertuples(index=False, name=None)
        )
        reasons = statuses(self.scores, self.methods)
        self.reasons = dict(
            zip(reasons[GROUP].itertuples(index=False, name=None), reasons["reason"], strict=True)
        )

    def label(self, key: Key) -> str:
        return label(self.cards[key])

    def marks(self, group: tuple[str, str, str, str]) -> str:
        """The signs after a name in (dataset, weather, method, variant), such as ` †`."""
        return marks(self.cards[group[2:]], group in self.worse)

    @cached_property
    def input_key(self) -> Key | None:
        """The control that shows the input."""
        return next((key for key, card in self.cards.items() if shows_input(card)), None)

    def leader(self, dataset: str) -> Key | None:
        """The method that heads the `all` table of a data set."""
        rows = self.board[(self.board["dataset"] == dataset) & (self.board["weather"] == ALL)]
        for row in rows.itertuples():
            key = (row.method, row.variant)
            if not self.cards[key].get("control") and row.status == OK:
                return key
        return None

    def gains(self, key: Key | None) -> pd.Series:
        """RGB PSNR over the input's, by (dataset, weather, image); empty if either is unknown."""
        if key is None or self.input_key is None:
            return pd.Series(dtype=float)
        both = (self.wide.get((*name, "rgb/psnr")) for name in (key, self.input_key))
        values = [column for column in both if column is not None]
        return (values[0] - values[1]).dropna() if len(values) == 2 else pd.Series(dtype=float)

    @cached_property
    def _by_place(self) -> dict[Place, dict[tuple[str, str, str], float]]:
        return self.wide.to_dict("index")

    def score(self, place: Place, key: Key, metric: str) -> float:
        """Mean over seeds of one image's metric, one of `METRICS`; NaN where it is missing."""
        assert metric in METRICS
        return self._by_place.get(place, {}).get((*key, metric), np.nan)

    @cached_property
    def problems(self) -> dict[tuple[str, str, str, str, str], str]:
        """Status and reason of what is not ok, by (dataset, weather, image, method, variant)."""
        bad = self.scores[self.scores["status"] != OK]
        names = ["dataset", "weather", "image", "method", "variant", "status", "reason"]
        return {
            tuple(row[:5]): ": ".join(filter(None, row[5:]))
            for row in bad[names].drop_duplicates(names[:5]).to_numpy().tolist()
        }

    def _figures(self) -> list[dict[str, str]]:
        path = self.run_dir / "figures" / "figures.json"
        figures = self._optional("figures/figures.json", [])
        try:
            known = [{key: str(figure[key]) for key in FIGURE_KEYS} for figure in figures]
        except (TypeError, KeyError) as error:
            raise UserError(f"{path} is damaged ({error!r:.60}); draw the figures again.") from None
        return known

    def _optional(self, name: str, absent: Any) -> Any:
        path = self.run_dir / name
        return read_json(path) if path.is_file() else absent
