"""The figure of what each method changes in each weather."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from benchmark.board.score_table import ALL
from benchmark.report.figures.style import (
    INPUT_LINE,
    SUPERVISION,
    Drawn,
    measured,
    supervision_handles,
    titled,
)
from benchmark.results.schema import METHOD, OK
from benchmark.scoring.metrics import METRIC, Metric

METRICS = ("rgb/psnr", "lpips-alex/lpips")
MOST_STEPS = 3  # between ticks: more numbers like −0.0075 would overlap


def quality_by_weather(rows: pd.DataFrame, changes: pd.DataFrame) -> Drawn | None:
    """Bars from the input to each method, for each weather: paired changes with 95 % intervals.

    rows: the board from `with_cards`, of one data set. changes: from
    `board.changes.read_changes`. None without a control that returns the input, or if no change is
    finite.
    """
    dataset = rows["dataset"].iloc[0]
    weathers = [weather for weather in rows["weather"].unique() if weather != ALL]
    ranked = rows[~rows["control"] & (rows["weather"] == ALL)]
    found = changes[(changes["dataset"] == dataset) & changes["change"].notna()]
    finite = {*found["metric"]} & {*measured(rows, METRICS)}
    known = [metric for metric in METRIC if metric in finite]
    if ranked.empty or not known:
        return None
    size = (3.2 + 2.3 * len(weathers), (0.24 * len(ranked) + 1.1) * len(known))
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(known), len(weathers), squeeze=False, sharey=True)
    for metric, line in zip(known, grid, strict=True):
        for weather, axes in zip(weathers, line, strict=True):
            part = rows[rows["weather"] == weather].set_index(METHOD)
            keys = pd.MultiIndex.from_frame(ranked[METHOD])
            of_part = found[(found["metric"] == metric) & (found["weather"] == weather)]
            of_part = of_part.set_index(METHOD).reindex(keys)
            shown = of_part.join(part[["label", "status", "supervision"]])
            _bars(axes, shown, METRIC[metric])
            axes.set_title(weather)
    grid[0, 0].set_ylim(len(ranked) - 0.4, -0.6)  # the best above
    handles = [
        *supervision_handles(ranked),
        Line2D([], [], label="input, not restored", **INPUT_LINE),
    ]
    figure.legend(
        handles=handles, loc="outside lower left", ncols=min(4, len(weathers) + 1), frameon=False
    )
    alt = (
        f"Bars of the change from the input to each of {len(ranked)} methods, with 95 % intervals "
        f"of the paired differences, on {', '.join(weathers)}. Means are in the leaderboard."
    )
    return titled(
        figure, "Change from the input, by weather (paired, 95 % intervals)", alt, dataset
    )


def _bars(axes: Axes, shown: pd.DataFrame, metric: Metric) -> None:
    """shown: one row a method, columns change, low, high, label, status and supervision."""
    places = np.arange(len(shown))
    colours = [SUPERVISION[name][0] for name in shown["supervision"]]
    arms = np.abs(shown[["low", "high"]].sub(shown["change"], axis=0)).fillna(0).to_numpy().T
    axes.barh(places, shown["change"], color=colours, alpha=0.75, height=0.7)
    axes.errorbar(
        shown["change"], places, xerr=arms, fmt="none", ecolor="black", elinewidth=1, capsize=2
    )
    axes.axvline(0, **INPUT_LINE)
    axes.xaxis.set_major_locator(MaxNLocator(MOST_STEPS, steps=[1, 2, 5, 10]))
    axes.set_xlabel(f"change of {metric.axis_label}")
    axes.set_yticks(places, shown["label"])
    axes.grid(axis="y", visible=False)
    for place, (change, status) in enumerate(zip(shown["change"], shown["status"], strict=True)):
        if np.isnan(change):
            text = status if status != OK else "not finite"
            axes.text(0, place, f" {text}", va="center", fontsize=8, color="0.35")
