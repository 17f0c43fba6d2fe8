"""The data of the interactive charts, JSON in the page; `static/charts.js` draws it."""

import math
from typing import Any

import pandas as pd

from benchmark.board.curves import sampler_series, with_cards
from benchmark.board.format import value_text
from benchmark.report.parts import COSTS, method_page, true_minus
from benchmark.report.run_data import RunData
from benchmark.scoring.metrics import ANY_METRIC, Metric

# Columns of the board that a chart can show on its cost axis: names with units.
CHART_COSTS = {
    "seconds_per_megapixel": "seconds a megapixel",
    "seconds": "seconds an image",
    "nfe": "network evaluations (NFE)",
    "flops": "FLOPs an image",
    "parameters": "parameters",
    "peak_memory_bytes": "peak memory, bytes",
    "training_seconds": "training seconds",
    "training_flops": "training FLOPs",
}


def chart_data(data: RunData) -> dict[str, Any]:
    """The data of a run's charts: `metrics`, `costs` and `rows`, one a row of the leaderboard.

    A row has its names, `values` (metric → [mean, low, high, text]; an unknown end is None),
    `costs` (name → [number, text]) and, if it belongs to a sweep over step counts, the name of its
    `series` and the number that gives its colour, as in the drawn figure. Missing and infinite
    values are left out, because an axis cannot show them.
    """
    board = with_cards(data.board, data.methods)
    series: dict[int, tuple[str, int]] = {}
    for _, group in board.groupby(["dataset", "weather"], sort=False):
        for number, (name, points) in enumerate(sampler_series(group).items()):
            series |= dict.fromkeys(points.index, (name, number))
    ranked = board[~board["control"]]
    metrics = [m for m in ANY_METRIC.values() if any(map(math.isfinite, ranked[m.key]))]
    costs = {name: text for name, text in CHART_COSTS.items() if (board[name] > 0).any()}
    texts = {name: write for name, _, write in COSTS}
    return {
        "metrics": [
            {"name": m.key, "text": m.heading, "axis": m.axis_label, "lower": m.lower_is_better}
            for m in metrics
        ],
        "costs": [{"name": name, "text": text} for name, text in costs.items()],
        "rows": [
            {
                "dataset": row["dataset"],
                "weather": row["weather"],
                "label": row["label"],
                "href": method_page(row["method"]),
                "supervision": row["supervision"],
                "control": row["control"],
                "input": row["input"],
                "series": series.get(index, (None, None))[0],
                "series_number": series.get(index, (None, None))[1],
                "values": {m.key: _value(row, m) for m in metrics if math.isfinite(row[m.key])},
                "costs": {
                    name: [float(f"{row[name]:.4g}"), texts[name](row[name])]
                    for name in costs
                    if row[name] > 0
                },
            }
            for index, row in board.iterrows()
        ],
    }


def _value(row: pd.Series, metric: Metric) -> list[float | str | None]:
    ends = (float(row[metric.key + end]) for end in ("", "_low", "_high"))
    numbers = [round(end, 4) if math.isfinite(end) else None for end in ends]
    return [*numbers, true_minus(value_text(row, metric.key))]
