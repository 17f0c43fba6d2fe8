"""Parts of all figures: colours, fonts, intervals, the line of the input, and saving."""

import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
import pandas as pd
import seaborn
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from benchmark.board.aggregate import NO_REFERENCE
from benchmark.core.atomic import atomic_path

matplotlib.use("Agg")  # no window, on any machine

PALETTE = seaborn.color_palette("colorblind")
SUPERVISION = {
    "none": (PALETTE[0], "o", "no training"),
    "clean-only": (PALETTE[2], "s", "trained on clean images only"),
    "paired": (PALETTE[1], "D", "trained on pairs"),
    "not stated": (PALETTE[7], "X", "training not stated"),  # of submitted images
}
INPUT_LINE = {"color": "0.35", "linestyle": "--", "linewidth": 1}
STYLE = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "figure.dpi": 100,
    "text.parse_math": False,  # a "$" in a name is a dollar
    "svg.hashsalt": "unweather",  # ids in the SVG are the same on every run
}
MARKERS = "osD^vPX*"
SAME_NUMBERS = " The same numbers are in the leaderboard."
TITLE_LETTER = 0.13  # inches: the mean width of a letter of a title, and a little more


class Drawn(NamedTuple):
    """A figure with its title and alt text."""

    figure: Figure
    title: str
    alt: str


@contextmanager
def drawing_style() -> Iterator[None]:
    """The style of all figures."""
    with matplotlib.rc_context({**seaborn.axes_style("whitegrid"), **STYLE}):
        yield


def arms(rows: pd.DataFrame, metric: str) -> np.ndarray:
    """Lengths (2, N) of the interval below and above the mean; 0 if there is no interval."""
    low, high = rows[metric] - rows[f"{metric}_low"], rows[f"{metric}_high"] - rows[metric]
    return np.nan_to_num(np.clip(np.stack([low, high]), 0, None))


def input_value(rows: pd.DataFrame, metric: str) -> float:
    """The value of the control that returns the input; NaN if there is none."""
    value = rows.loc[rows["input"], metric]
    return float(value.iloc[0]) if len(value) else np.nan


def input_line(draw: Callable, rows: pd.DataFrame, metric: str) -> None:
    value = input_value(rows, metric)
    if not np.isnan(value):
        draw(value, label="input, not restored", **INPUT_LINE)


def supervision_handles(rows: pd.DataFrame) -> list[Patch]:
    """Legend entries for the supervisions in `rows`."""
    return [
        Patch(color=colour, alpha=0.75, label=text)
        for name, (colour, _, text) in SUPERVISION.items()
        if (rows["supervision"] == name).any()
    ]


def measured(rows: pd.DataFrame, metrics: tuple[str, ...]) -> list[str]:
    """The scored ones of `metrics`; without ground truth, metrics that do not need it."""
    scored = np.isfinite(rows.loc[~rows["control"], [*metrics, *NO_REFERENCE]]).any()
    return [m for m in metrics if scored[m]] or [m for m in NO_REFERENCE if scored[m]]


def titled(figure: Figure, title: str, alt: str, dataset: str) -> Drawn:
    """The figure with its title above it, in several lines if the figure is narrow."""
    width = int(figure.get_figwidth() / TITLE_LETTER)
    text = textwrap.fill(f"{title} · {dataset}", width)
    figure.suptitle(text, x=0.01, ha="left", fontsize=13, fontweight="bold")
    return Drawn(figure, title, alt)


def save(figure: Figure, stem: Path, vector: bool) -> list[Path]:
    """Write `stem`.svg (if `vector`) and `stem`.png, without the date in them."""
    files = []
    for suffix, metadata in ((".svg", {"Date": None}), (".png", {"Software": None})):
        if suffix == ".png" or vector:
            with atomic_path(stem.with_name(stem.name + suffix)) as path:
                figure.savefig(path, metadata=metadata, dpi=120)
            files.append(stem.with_name(stem.name + suffix))
    return files
