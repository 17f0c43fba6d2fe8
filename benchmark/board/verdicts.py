"""What a board says of a row besides its numbers: who leads, who makes images worse, the marks."""

import math

import pandas as pd

from benchmark.board.aggregate import GROUP, METRICS, score_groups
from benchmark.board.format import HARMFUL, LOWER_IS_BETTER, SUBMITTED
from benchmark.results.schema import OK
from benchmark.results.tables import Cards
from benchmark.significance.pairwise import ranks

HARM = 0.5  # dB
LEGEND = f"† control, {SUBMITTED} submitted, {HARMFUL} worse than the input."


def leaders(
    scores: pd.DataFrame, methods: Cards, photos: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Who leads each metric: columns dataset, weather, method, variant, metric.

    The methods, controls left out, than which none is better beyond doubt (`contest.ranks`): those
    that may have rank 1. The board claims no winner among them.
    """
    ranked = [(card["method"], card["variant"]) for card in methods if not card.get("control")]
    found = []
    for group in score_groups(scores, photos):
        for metric in METRICS:
            entered = group.contest(ranked, metric)
            places = ranks(entered, metric in LOWER_IS_BETTER) if entered else {}
            for key, (first, _) in places.items():
                if first == 1:
                    found.append((group.dataset, group.weather, *key, metric))
    return pd.DataFrame(found, columns=[*GROUP, "metric"])


def harmful(board: pd.DataFrame, methods: Cards) -> set[tuple[str, str, str, str]]:
    """The rows (dataset, weather, method, variant) with RGB PSNR more than `HARM` dB below the
    input's: those that make its images worse.

    The input is the lowest control. Clear images, whose input is perfect, say nothing here.
    """
    controls = {(card["method"], card["variant"]) for card in methods if card.get("control")}
    found = set()
    for _, part in board.groupby(["dataset", "weather"]):
        keys = pd.MultiIndex.from_frame(part[GROUP[2:]])
        least = part.loc[keys.isin(list(controls)), "rgb/psnr"].min()
        if math.isfinite(least):
            worse = part[(part["rgb/psnr"] < least - HARM).to_numpy()]
            found |= set(worse[GROUP].itertuples(index=False, name=None))
    return found


def marks(card: dict, worse: bool) -> str:
    """What follows a method's name: † a control, ‡ submitted, ▼ worse than its input."""
    shown = (("†", card.get("control")), (SUBMITTED, card.get("submitted")), (HARMFUL, worse))
    return "".join(f" {mark}" for mark, holds in shown if holds)


def devices(cost: pd.DataFrame) -> list[str]:
    """The distinct devices on which the costs were measured."""
    return sorted(set(cost.loc[cost["status"] == OK, "device"]) - {""})
