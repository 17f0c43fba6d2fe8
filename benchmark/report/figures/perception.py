"""The perception-distortion plane: closeness to the target against the look of the result."""

import pandas as pd
from matplotlib.figure import Figure

from benchmark.board.curves import pareto_front, sampler_series
from benchmark.board.score_table import ALL
from benchmark.report.figures.labels import label_points
from benchmark.report.figures.style import SAME_NUMBERS, SUPERVISION, Drawn, titled
from benchmark.scoring.metrics import ANY_METRIC, SET_METRIC

DISTORTION = "rgb/psnr"
PERCEPTION = ("lpips-alex/lpips", *SET_METRIC)


def perception_distortion(rows: pd.DataFrame) -> Drawn | None:
    """PSNR against LPIPS and against the kernel distance, with the Pareto fronts.

    A method cannot be the best in both (Blau and Michaeli, "The Perception-Distortion Tradeoff",
    CVPR 2018). Variants that differ in their number of steps are joined by a line. Intervals are
    left out: photos differ by more than methods, and on both axes. rows: from `with_cards`, of one
    data set. None without a ground truth, or with fewer than two methods.
    """
    rows = rows[rows["weather"] == ALL]
    shown = rows[~rows["control"] & rows[DISTORTION].abs().lt(float("inf"))]
    metrics = [name for name in PERCEPTION if shown[name].notna().any()]
    shown = shown[shown[metrics].notna().all(axis=1)] if metrics else shown.head(0)
    if len(shown) < 2:
        return None
    height = max(3.6, 0.22 * len(shown) + 1)
    figure = Figure(figsize=(9, height * len(metrics)), layout="constrained")
    grid = figure.subplots(len(metrics), 1, squeeze=False, sharex=True)[:, 0]
    for metric, axes in zip(metrics, grid, strict=True):
        _plane(axes, rows, shown, metric)
    axes.set_xlabel(ANY_METRIC[DISTORTION].axis_label)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=2, frameon=False)
    fronts = [
        f"{ANY_METRIC[metric].title}: {', '.join(pareto_front(shown, metric, DISTORTION)['label'])}"
        for metric in metrics
    ]
    alt = f"Scatter of perception against distortion. On the Pareto fronts, by {'; '.join(fronts)}."
    return titled(figure, "Perception against distortion", alt + SAME_NUMBERS, _dataset(rows))


def _plane(axes, rows: pd.DataFrame, shown: pd.DataFrame, metric: str) -> None:
    for supervision, (colour, marker, name) in SUPERVISION.items():
        part = shown[shown["supervision"] == supervision]
        if len(part):
            axes.plot(part[DISTORTION], part[metric], marker, color=colour, label=name)
    for points in sampler_series(shown).values():
        axes.plot(points[DISTORTION], points[metric], color="0.75", linewidth=1, zorder=0.5)
    given = rows[rows["input"]]
    axes.plot(
        given[DISTORTION], given[metric], "x", color="0.35", markersize=8,
        label="input, not restored",
    )  # fmt: skip
    front = pareto_front(shown, metric, DISTORTION)
    axes.plot(
        front[DISTORTION], front[metric], color="0.2", linewidth=1.5, zorder=1,
        drawstyle="steps-post", label="Pareto front: no method is better in both",
    )  # fmt: skip
    axes.set_ylabel(ANY_METRIC[metric].axis_label)
    axes.set_title(f"{ANY_METRIC[DISTORTION].acronym} and {ANY_METRIC[metric].title}")
    label_points(axes, shown, DISTORTION, metric)


def _dataset(rows: pd.DataFrame) -> str:
    return rows["dataset"].iloc[0]
