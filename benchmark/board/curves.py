"""Which rows of a leaderboard belong together: sweeps over step counts, and Pareto fronts."""

from typing import Any

import numpy as np
import pandas as pd

from benchmark.board.format import LOWER_IS_BETTER
from benchmark.results.tables import Cards, label, shows_input


def pareto_front(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The rows that no other row beats in both time and `metric`, fastest first."""
    sign = -1 if metric in LOWER_IS_BETTER else 1
    ordered = rows.assign(gain=sign * rows[metric])
    ordered = ordered.sort_values(["seconds_per_megapixel", "gain"], ascending=[True, False])
    before = ordered["gain"].cummax().shift(fill_value=-np.inf)
    return ordered[ordered["gain"] > before].drop(columns="gain")


def with_cards(board: pd.DataFrame, methods: Cards) -> pd.DataFrame:
    """The board with its cards' `label`, `settings`, `control` and `input` (the control that
    shows it)."""
    cards = {(card["method"], card["variant"]): card for card in methods}
    own: list[dict[str, Any]] = [
        cards[key] for key in zip(board["method"], board["variant"], strict=True)
    ]
    return board.assign(
        label=[label(card) for card in own],
        settings=[card.get("settings") or {} for card in own],
        control=[bool(card.get("control")) for card in own],
        input=[shows_input(card) for card in own],
    )


def sampler_series(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Rows that differ in their step count alone, by name; each has at least two."""
    groups: dict[tuple, list[int]] = {}
    for index, row in rows.iterrows():
        rest = {key: value for key, value in row["settings"].items() if key != "steps"}
        if "steps" in row["settings"] and row["nfe"] > 0 and not row["control"]:
            rest = tuple(sorted((key, str(value)) for key, value in rest.items()))
            groups.setdefault((row["method"], rest), []).append(index)
    groups = {key: indices for key, indices in groups.items() if len(indices) > 1}
    differing = {
        name
        for method in {method for method, _ in groups}
        for name in {name for m, rest in groups if m == method for name, _ in rest}
        if len({dict(rest).get(name) for m, rest in groups if m == method}) > 1
    }
    return {
        " ".join([method, *_told(rest, differing)]): rows.loc[indices].sort_values("nfe")
        for (method, rest), indices in sorted(groups.items())
    }


def _told(rest: tuple, differing: set[str]) -> list[str]:
    """The settings worth naming: the sampler, and what tells one line from another."""
    return [
        value if name == "sampler" else f"{name} {value}"
        for name, value in sorted(rest, key=lambda setting: setting[0] != "sampler")
        if name == "sampler" or name in differing
    ]
