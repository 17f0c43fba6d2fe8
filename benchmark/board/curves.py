"""Groups of a leaderboard's rows: sweeps over step counts, and Pareto fronts."""

from typing import Any

import numpy as np
import pandas as pd

from benchmark.results.tables import Cards, by_key, label, shows_input
from benchmark.scoring.metrics import ANY_METRIC


def pareto_front(
    rows: pd.DataFrame, metric: str, against: str = "seconds_per_megapixel"
) -> pd.DataFrame:
    """The rows for which no other row is better both in `metric` and in `against`, the best in
    `against` first.

    against: a cost, of which less is better, or another metric.
    """
    ordered = rows.assign(gain=_better(rows, metric), other=_better(rows, against))
    ordered = ordered.sort_values(["other", "gain"], ascending=False, kind="stable")
    before = ordered["gain"].cummax().shift(fill_value=-np.inf)
    return ordered[ordered["gain"] > before].drop(columns=["gain", "other"])


def _better(rows: pd.DataFrame, column: str) -> pd.Series:
    """A column with a sign by which more is better."""
    more = column in ANY_METRIC and not ANY_METRIC[column].lower_is_better
    return rows[column] if more else -rows[column]


def with_cards(board: pd.DataFrame, methods: Cards) -> pd.DataFrame:
    """The board with columns from its cards: `label`, `settings`, `control`, and `input`, true for
    the control that returns the input."""
    cards = by_key(methods)
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
    """Series of rows that differ only in their step count, by name; each has at least two rows."""
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
        " ".join([method, *_settings_text(rest, differing)]): rows.loc[indices].sort_values("nfe")
        for (method, rest), indices in sorted(groups.items())
    }


def _settings_text(rest: tuple, differing: set[str]) -> list[str]:
    """The settings in a series' name: the sampler, and those that differ between series."""
    return [
        value if name == "sampler" else f"{name} {value}"
        for name, value in sorted(rest, key=lambda setting: setting[0] != "sampler")
        if name == "sampler" or name in differing
    ]
