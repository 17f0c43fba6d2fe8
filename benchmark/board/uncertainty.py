"""The table of uncertainty: `uncertainty.csv`, and its part of leaderboard.md."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.board.ensembles import Ensemble
from benchmark.board.format import MAIN, interval_text, number_text
from benchmark.board.legend import MISSING, Entry
from benchmark.board.score_table import ALL
from benchmark.core.markdown import cell, markdown_table
from benchmark.core.reading import reading
from benchmark.results.schema import GROUP
from benchmark.results.tables import Cards, by_key, label

FILE = "uncertainty.csv"
WITH_INTERVAL = ("spread_skill", "crps", "coverage")
COLUMNS = (
    *GROUP,
    "samples",
    "one_answer",
    *(name + end for name in WITH_INTERVAL for end in ("", "_low", "_high")),
    "coverage_expected",
    "absolute_error",
    "spread",
    "diversity",
    *MAIN,
    *(f"mean/{metric}" for metric in MAIN),
    "reason",
)
LEGEND = (
    Entry(
        "Samples",
        "restorations of each image, each from its own noise. PSNR and LPIPS: of one sample → of "
        "the mean of all.",
    ),
    Entry("Diversity", "mean LPIPS between two samples. Spread: their standard deviation."),
    Entry(
        "Spread / error",
        "of the mean of the samples, with the factor of N; 1 if the truth could be one more "
        "sample, below 1 if the method is too sure.",
    ),
    Entry(
        "CRPS",
        "fair continuous ranked probability score, in levels of 255, lower is better; after the "
        "slash that of one sample, its mean absolute error.",
    ),
    Entry(
        "Coverage",
        "how often a value of the target lies between two samples in order; in brackets its 95 % "
        "interval over photos, after the slash what is expected of a method that is neither too "
        "sure nor too unsure. Fewer than 19 samples have no 90 % interval.",
    ),
)
ONE_ANSWER = "the same answer every time: that says nothing about its uncertainty"
HEADS = (
    "method", "samples", "PSNR RGB", "LPIPS", "diversity", "spread", "spread / error", "CRPS",
    "coverage",
)  # fmt: skip


def uncertainty_table(found: Iterable[Ensemble], board: pd.DataFrame) -> pd.DataFrame:
    """One row a data set, weather (and `all`) and variant with samples; columns `COLUMNS`.

    board: the leaderboard, which has the scores of one sample.
    """
    rows = [_row(ensemble) for ensemble in found]
    table = pd.DataFrame(rows, columns=list(COLUMNS)).drop(columns=list(MAIN))
    return table.merge(board[[*GROUP, *MAIN]], on=GROUP, how="left")[list(COLUMNS)]


def read_uncertainty(run_dir: Path) -> pd.DataFrame | None:
    """`uncertainty.csv` of a run as it was written; None if it draws no samples."""
    path = run_dir / FILE
    if not path.is_file():
        return None
    with reading(path, "a table of numbers", "make the leaderboard again"):
        text = dict.fromkeys([*GROUP, "reason"], str)
        missing = {name: [""] for name in COLUMNS if name not in text}
        table = pd.read_csv(path, dtype=text, keep_default_na=False, na_values=missing)
        return table[list(COLUMNS)]


def to_markdown(table: pd.DataFrame, methods: Cards) -> str:
    """The rows of all weathers as Markdown, a table for each data set."""
    parts = ["## Uncertainty", "", *(f"- **{entry.term}**: {entry.text}" for entry in LEGEND), ""]
    for dataset, rows in table[table["weather"] == ALL].groupby("dataset", sort=False):
        lines = [_line(row, methods) for row in rows.to_dict("records")]
        align = ["left"] + ["right"] * (len(HEADS) - 1)
        parts += [f"### {cell(str(dataset))}", "", markdown_table(HEADS, lines, align), ""]
    return "\n".join(parts)


def _line(row: dict[str, Any], methods: Cards) -> list[str]:
    """The cells of a row in Markdown: names and reasons come from files, numbers do not."""
    name, *numbers = texts_of(row, methods)
    return [cell(f"{name}: {note(row)}" if note(row) else name), *numbers]


def note(row: dict[str, Any]) -> str:
    """Why a row has no numbers; empty if it has."""
    return row["reason"] or (ONE_ANSWER if row["one_answer"] else "")


def texts_of(row: dict[str, Any], methods: Cards) -> list[str]:
    """The cells of a row, in the order of `HEADS`."""
    name = label(by_key(methods)[row["method"], row["variant"]])
    first = [name, f"{row['samples']:.0f}"]
    if note(row):
        return [*first, *[MISSING] * (len(HEADS) - len(first))]
    return [
        *first,
        _both(row, "rgb/psnr", ".2f"),
        _both(row, "lpips-alex/lpips", ".3f"),
        number_text(row["diversity"], ".3f"),
        number_text(row["spread"], ".1f"),
        interval_text(row, "spread_skill", ".2f"),
        f"{interval_text(row, 'crps', '.2f')} / {number_text(row['absolute_error'], '.2f')}",
        f"{interval_text(row, 'coverage', '.3f')} / {number_text(row['coverage_expected'], '.3f')}",
    ]


def _both(row: dict[str, Any], metric: str, form: str) -> str:
    """A metric of one sample and of the mean."""
    texts = [number_text(row[name], form) for name in (metric, f"mean/{metric}")]
    return " → ".join(texts)


def _row(found: Ensemble) -> dict[str, Any]:
    row: dict[str, Any] = {
        "dataset": found.dataset,
        "weather": found.weather,
        "method": found.method,
        "variant": found.variant,
        "samples": found.count,
        "one_answer": found.one_answer,
        "reason": found.reason,
    }
    if found.reason or found.one_answer:
        return row
    expected, covered = found.coverage()
    ends = {"spread_skill": found.spread_skill(), "crps": found.crps(),
            "coverage": covered}  # fmt: skip
    for name, interval in ends.items():
        values = (float(array[0]) for array in interval)
        row |= dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))
    return row | {
        "coverage_expected": expected,
        "absolute_error": found.mean("absolute_error"),
        "spread": math.sqrt(found.mean("variance")),
        "diversity": found.mean("diversity"),
        **{f"mean/{metric}": found.mean(f"mean/{metric}") for metric in MAIN},
    }
