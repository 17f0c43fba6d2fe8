"""Draws the figures of a run from its leaderboard: `figures/DATASET/NAME.svg` and `.png`.

Importing this module imports matplotlib and seaborn, which takes seconds.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from benchmark.board.changes import read_changes
from benchmark.board.curves import pareto_front, sampler_series, with_cards
from benchmark.board.ensembles import ensembles
from benchmark.board.format import MAIN
from benchmark.board.score_table import ALL, ScoreTable
from benchmark.board.write import read_board
from benchmark.core.atomic import atomic_folder
from benchmark.report.figures.changes import quality_by_weather
from benchmark.report.figures.coverage import coverage
from benchmark.report.figures.image_grid import draw_grid
from benchmark.report.figures.labels import label_points
from benchmark.report.figures.perception import perception_distortion
from benchmark.report.figures.ranks import rank_diagram
from benchmark.report.figures.style import (
    MARKERS,
    PALETTE,
    SAME_NUMBERS,
    SUPERVISION,
    Drawn,
    arms,
    drawing_style,
    input_line,
    measured,
    save,
    titled,
)
from benchmark.results.tables import read_images, read_methods, read_sample_scores, read_scores
from benchmark.scoring.metrics import METRIC


def draw_figures(run_dir: str | Path) -> list[Path]:
    """Draw the figures of every data set of a run; returns the files written.

    Reads the leaderboard, `scores.csv`, `methods.json` and, for the grid of images, `images.csv`
    with the images that it names. A figure without data (no sampler sweep, no images) is left out.
    `figures/figures.json` lists the figures with titles and alt texts. The grid of photographs is
    saved only as PNG. Old figures are replaced after all new ones are drawn. Raises UserError if a
    table is missing or changed after the leaderboard was made.
    """
    run_dir = Path(run_dir)
    scores, methods, images = read_scores(run_dir), read_methods(run_dir), read_images(run_dir)
    table = ScoreTable(scores, methods, images)
    board, changes = read_board(run_dir).table, read_changes(run_dir)
    scores_of_samples = read_sample_scores(run_dir)
    samples = [] if scores_of_samples is None else [*ensembles(scores_of_samples, images)]
    index = []
    with atomic_folder(run_dir / "figures") as folder, drawing_style():
        for dataset in board["dataset"].unique():
            rows = with_cards(board[board["dataset"] == dataset], methods)
            grid = None if images is None else images[images["dataset"] == dataset]
            drawings: dict[str, Callable[[], Drawn | None]] = {
                "quality_by_cost": lambda rows=rows: quality_by_cost(rows),
                "quality_by_evaluations": lambda rows=rows: quality_by_evaluations(rows),
                "perception_distortion": lambda rows=rows: perception_distortion(rows),
                "coverage": lambda name=dataset: coverage(samples, methods, name),
                "quality_by_weather": lambda rows=rows: quality_by_weather(rows, changes),
                "ranks": lambda name=dataset: rank_diagram(table, name),
                "images": lambda rows=rows, grid=grid: _grid(run_dir, rows, table.wide, grid),
            }
            for name, draw in drawings.items():
                drawn = draw()
                if drawn is None:
                    continue
                files = save(drawn.figure, folder / dataset / name, vector=name != "images")
                shown = {"dataset": dataset, "name": name, "title": drawn.title, "alt": drawn.alt}
                index.append({**shown, "file": f"{dataset}/{files[0].name}"})
        text = json.dumps(index, indent=1, ensure_ascii=False) + "\n"
        (folder / "figures.json").write_text(text, encoding="utf-8")
    return sorted(path for path in (run_dir / "figures").rglob("*") if path.is_file())


def _apart(values: Iterable[float]) -> list[float]:
    """Values to label on a logarithmic axis: the most frequent, a factor 1.4 or more apart."""
    kept = []
    for value, _ in Counter(values).most_common():
        if all(value >= 1.4 * other or other >= 1.4 * value for other in kept):
            kept.append(value)
    return kept


def quality_by_evaluations(rows: pd.DataFrame) -> Drawn | None:
    """Quality against network evaluations: a line for each method and sampler, with intervals.

    rows: from `with_cards`, of one data set. None if no method was sampled with more than one step
    count.
    """
    rows = rows[rows["weather"] == ALL]
    series = sampler_series(rows)
    metrics = measured(rows, MAIN)
    if not series or not metrics:
        return None
    figure = Figure(figsize=(4.3 * len(metrics), 4.6), layout="constrained")
    swept = pd.concat(series.values()).index
    others = rows[~rows["control"] & ~rows.index.isin(swept) & rows[metrics[0]].notna()]
    for metric, axes in zip(
        metrics, figure.subplots(1, len(metrics), squeeze=False)[0], strict=True
    ):
        for number, (name, points) in enumerate(series.items()):
            colour, marker = PALETTE[number % len(PALETTE)], MARKERS[number % len(MARKERS)]
            # Shifted a little: intervals at the same step count would hide each other.
            nfe = points["nfe"] * 1.03 ** (number - (len(series) - 1) / 2)
            axes.errorbar(
                nfe, points[metric], arms(points, metric), color=colour, marker=marker,
                markersize=5, linewidth=1.5, capsize=2, elinewidth=1, label=name,
            )  # fmt: skip
        input_line(axes.axhline, rows, metric)
        if len(others):  # the board is sorted: the first is the best
            line = {"color": "black", "linestyle": ":", "label": others["label"].iloc[0]}
            axes.axhline(others[metric].iloc[0], **line)
        axes.set_xscale("log")
        ticks = _apart(n for points in series.values() for n in points["nfe"])
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.set_xlabel("network evaluations an image (NFE)")
        axes.set_title(METRIC[metric].axis_label)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    title = "Quality by number of sampling steps"
    alt = f"Line chart of quality against network evaluations for {', '.join(series)}."
    return titled(figure, title, alt + SAME_NUMBERS, rows["dataset"].iloc[0])


def quality_by_cost(rows: pd.DataFrame) -> Drawn | None:
    """Quality against seconds per megapixel, with the Pareto front; every point is labelled.

    rows: as for `quality_by_evaluations`. None if no method has both quality and time.
    """
    rows = rows[rows["weather"] == ALL]
    metrics = measured(rows, ("rgb/psnr", "lpips-alex/lpips"))
    timed = rows[~rows["control"] & (rows["seconds_per_megapixel"] > 0)]
    timed = timed[timed[metrics].notna().all(axis=1)] if metrics else timed.head(0)
    if timed.empty:
        return None
    height = max(3.6, 0.22 * len(timed) + 1)
    figure = Figure(figsize=(9, height * len(metrics)), layout="constrained")
    for metric, axes in zip(
        metrics, figure.subplots(len(metrics), 1, squeeze=False)[:, 0], strict=True
    ):
        for supervision, (colour, marker, name) in SUPERVISION.items():
            part = timed[timed["supervision"] == supervision]
            if len(part):
                axes.errorbar(
                    part["seconds_per_megapixel"], part[metric], arms(part, metric), fmt=marker,
                    color=colour, markersize=6, elinewidth=1, capsize=2, label=name,
                )  # fmt: skip
        front = pareto_front(timed, metric)
        axes.plot(
            front["seconds_per_megapixel"], front[metric], color="0.4", linewidth=1, zorder=1,
            drawstyle="steps-post",
            label="Pareto front: no method is both faster and better",
        )  # fmt: skip
        input_line(axes.axhline, rows, metric)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_ylabel(METRIC[metric].axis_label)
        axes.set_title(f"{METRIC[metric].acronym} against time")
        label_points(axes, timed[np.isfinite(timed[metric])], "seconds_per_megapixel", metric)
    axes.set_xlabel("seconds a megapixel")
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=2, frameon=False)
    names = ", ".join(pareto_front(timed, metrics[0])["label"])
    front = f"On the Pareto front of {METRIC[metrics[0]].title}: {names}."
    alt = f"Scatter of quality against time. {front}{SAME_NUMBERS}"
    return titled(figure, "Quality against time", alt, rows["dataset"].iloc[0])


def _grid(run_dir, rows, wide, images) -> Drawn | None:
    if images is None or images.empty:
        return None
    return draw_grid(run_dir, rows, wide, images)
