"""The grid of images: for each weather a test image, its restorations and its target."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark.board.format import broken
from benchmark.board.score_table import ALL, weather_rank
from benchmark.core.image_io import read_image
from benchmark.report.figures.style import Drawn, titled
from benchmark.results.layout import restored_image
from benchmark.results.schema import METHOD
from benchmark.scoring.metrics import METRIC

COLUMNS = 5  # methods shown between the input and the target
CELL = 2.0  # inches
HEAD = 22  # characters of a line above a column
PAIRED_SCORES = ("rgb/psnr", "lpips-alex/lpips")
UNPAIRED_SCORES = ("no-reference/niqe",)


def draw_grid(
    run_dir: Path, rows: pd.DataFrame, wide: pd.DataFrame, images: pd.DataFrame
) -> Drawn | None:
    """One row for each weather: input, the best variants of the best methods, and target, with PSNR
    and LPIPS below each image (NIQE if there is no target).

    rows: from `with_cards`, of one data set. wide: `ScoreTable.wide`. images: the data set's rows
    of images.csv. The image of a weather is the one whose input has the median PSNR (or NIQE), so
    that nobody chooses it. None if no method was scored, or the run's folder has no restored image.
    """
    dataset = rows["dataset"].iloc[0]
    shown = rows[(rows["weather"] == ALL) & ~rows["control"]]
    shown = shown.drop_duplicates("method").head(COLUMNS)
    given = rows[rows["input"]]
    if shown.empty or not any((run_dir / "restored").rglob("*.png")):
        return None
    input_key = tuple(given[METHOD].iloc[0]) if len(given) else None
    paired = bool((images["target"] != "").all())
    scores_of = PAIRED_SCORES if paired else UNPAIRED_SCORES
    weathers = sorted(images["weather"].unique(), key=weather_rank)
    heads = ["input", *shown["label"], *(["target"] if paired else [])]
    # Room for the figure's title, the columns' heads and a line of scores below each image.
    figure = Figure((CELL * len(heads) + 0.4, (CELL + 0.3) * len(weathers) + 0.7))
    figure.set_layout_engine("constrained", h_pad=0.02, w_pad=0.02)
    cells = figure.subplots(len(weathers), len(heads), squeeze=False)
    for weather, line in zip(weathers, cells, strict=True):
        of_weather = images[images["weather"] == weather]
        image = _median_image(wide, of_weather, input_key, scores_of[0])
        place = (dataset, weather, image["image"])
        _show(line[0], _located(run_dir, image["input"]), _score(wide, place, input_key, scores_of))
        for (_, row), axes in zip(shown.iterrows(), line[1 : 1 + len(shown)], strict=True):
            key = (row["method"], row["variant"])
            text = _score(wide, place, key, scores_of)
            _show(axes, restored_image(run_dir, key, place), text)
        if paired:
            _show(line[-1], _located(run_dir, image["target"]), "PSNR / LPIPS")
        line[0].set_ylabel(weather, fontsize=11, fontweight="bold")
    for axes, head in zip(cells[0], heads, strict=True):
        axes.set_title(broken(head, HEAD), fontsize=10, loc="center")
    title = f"One test image for each weather: input, restorations{', target' if paired else ''}"
    below = "PSNR in dB and LPIPS" if paired else "NIQE"
    alt = f"Rows: {', '.join(weathers)}. Columns: {', '.join(heads)}. Below: {below}."
    return titled(figure, title, alt, dataset)


def repository_root(run_dir: Path) -> Path:
    """The folder where the paths of `images.csv` start: that which holds `results/`."""
    return run_dir.resolve().parents[1]


def _located(run_dir: Path, path: str) -> Path:
    return repository_root(run_dir) / path


def _median_image(
    wide: pd.DataFrame, images: pd.DataFrame, key: tuple | None, metric: str
) -> pd.Series:
    images = images.sort_values("image")
    if key is None:
        return images.iloc[len(images) // 2]
    values = [
        wide[(*key, metric)].get((row.dataset, row.weather, row.image), np.nan)
        for row in images.itertuples()
    ]
    order = np.argsort(values, kind="stable")
    return images.iloc[order[len(order) // 2]]


def _score(
    wide: pd.DataFrame, place: tuple[str, str, str], key: tuple | None, metrics: Sequence[str]
) -> str:
    if key is None or place not in wide.index:
        return ""
    values = {metric: wide.at[place, (*key, metric)] for metric in metrics}
    texts = [METRIC[metric].text(value) for metric, value in values.items() if not np.isnan(value)]
    name = "" if len(metrics) > 1 else f"{METRIC[metrics[0]].acronym} "  # a pair has its heading
    return name + " / ".join(texts) if texts else ""


def _show(axes: Axes, path: Path | None, text: str) -> None:
    if path is not None and path.is_file():
        axes.imshow(read_image(path), interpolation="lanczos")
    else:
        axes.text(0.5, 0.5, "not restored", ha="center", va="center", transform=axes.transAxes)
        axes.set_facecolor("0.92")
        axes.set_box_aspect(1)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.set_xlabel(text, fontsize=9)
