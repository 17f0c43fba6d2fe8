"""The leaderboard in a few numbers, `leaderboard.json`, for `dvc metrics show`."""

import math
from typing import Any

import pandas as pd

from benchmark.board.score_table import ALL, METRICS
from benchmark.results.tables import Cards, shows_input


def summary(board: pd.DataFrame, methods: Cards) -> dict[str, dict[str, dict[str, Any]]]:
    """The first method of each data set and its input, with their scores on all weathers.

    board: columns `aggregate.COLUMNS`, in the order of ranks. Scores that are missing or infinite,
    which JSON cannot hold, are left out.
    """
    inputs = {card["method"] for card in methods if shows_input(card)}
    controls = {card["method"] for card in methods if card.get("control")}
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for row in board[board["weather"] == ALL].to_dict("records"):
        roles = found.setdefault(row["dataset"], {})
        role = "input" if row["method"] in inputs else "first"
        if role in roles or (role == "first" and row["method"] in controls):
            continue
        scores = {metric: row[metric] for metric in METRICS if math.isfinite(row[metric])}
        roles[role] = {"method": row["method"], "variant": row["variant"], **scores}
    return found
