"""Parts of pages as values for the templates: tables, training curves, names of files."""

import hashlib
import math
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from benchmark.board import no_harm
from benchmark.board.format import (
    MAIN,
    count_text,
    device_numbers,
    seconds_text,
    value_text,
    whole_text,
)
from benchmark.board.legend import MISSING
from benchmark.board.verdicts import tables_of
from benchmark.core.reading import reading
from benchmark.report.run_data import RunData
from benchmark.scoring.metrics import ANY_METRIC, METRIC

COSTS = (
    ("seconds", "seconds", seconds_text),
    ("seconds_per_megapixel", "s / MP", seconds_text),
    ("throughput", "MP / s", seconds_text),
    ("nfe", "NFE", count_text),
    ("parameters", "parameters", count_text),
    ("flops", "FLOPs", count_text),
    ("peak_memory_bytes", "peak memory", lambda value: count_text(value, "B")),
    ("training_flops", "training FLOPs", count_text),
    ("training_seconds", "training s", seconds_text),
)
MAIN_COSTS = ("seconds", "nfe")
LONGEST = 150  # characters of a file name that are taken from names in the tables
LAST = 1e300  # sorts infinite values to an end
MISSING_ORDER = -LAST  # as in static/report.js, which puts these last in both directions
ON_IMAGES = (  # the metrics that an image's page shows
    *MAIN,
    "no-reference/niqe",
    "no-reference/piqe",
)
CURVE_POINTS = 400  # about one for each pixel of the plot


def slug(*names: str) -> str:
    """A readable file name from any names, safe in every file system; other names give another."""
    plain = "--".join(re.sub(r"[^A-Za-z0-9._-]+", "-", name) for name in names)
    exact = plain == "--".join(names) and not any("--" in name for name in names)
    if exact and len(plain) <= LONGEST:
        return plain
    return f"{plain[:LONGEST]}-{hashlib.sha256(chr(31).join(names).encode()).hexdigest()[:6]}"


def link(path: Path | str) -> str:
    """A relative path as a URL, with `#`, `?`, `%` and spaces escaped."""
    return quote(Path(path).as_posix())


def method_page(method: str) -> str:
    return f"methods/{slug(method)}.html"


def true_minus(text: str) -> str:
    """A text of numbers with minus signs in place of hyphens."""
    return re.sub(r"(?<!\w)-(?=[\d∞])", "−", text)


def board_table(data: RunData, rows: pd.DataFrame, caption: str, with_weather: bool = False):
    """Rows of the leaderboard for the `board` macro, without columns that are empty.

    A head has its `column` (a name), `text`, `group` and whether it is `shown` before the reader
    chooses. If a run was measured on several devices, a column has their numbers.
    """
    metrics = [metric for metric in ANY_METRIC if rows[metric].notna().any()]
    first = [metric for metric in MAIN if metric in metrics] or metrics[: len(MAIN)]
    costs = [cost for cost in COSTS if rows[cost[0]].notna().any()]
    several = len(data.devices) > 1
    return {
        "caption": caption,
        "with_weather": with_weather,
        "heads": [
            *(
                _head(m, ANY_METRIC[m].heading, ANY_METRIC[m].protocol.name, m in first)
                for m in metrics
            ),
            *(_head(name, text, "cost", name in MAIN_COSTS) for name, text, _ in costs),
            *([_head("on", "on", "cost", True)] if several else []),
            _head("supervision", "supervision", "method", True),
            _head("status", "status", "method", False),
        ],
        "rows": [_board_row(data, row, metrics, costs) for _, row in rows.iterrows()],
    }


def _head(column: str, text: str, group: str, shown: bool) -> dict[str, Any]:
    return {"column": column, "text": text, "group": group, "shown": shown}


def _board_row(data: RunData, row: pd.Series, metrics, costs) -> dict[str, Any]:
    key = (row["method"], row["variant"])
    group = (row["dataset"], row["weather"], *key)
    cells = []
    for metric in metrics:
        text, _, interval = value_text(row, metric).partition(" ")
        best = (*group, metric) in data.best
        cells.append(
            {"text": text, "interval": interval, "order": order(row[metric]), "best": best}
        )
    for name, _, write in costs:
        text = write(row[name])
        cells.append(_plain(text, order(row[name])))
    if len(data.devices) > 1:
        text = device_numbers(row["device"], data.devices)
        cells.append(_plain(text, text))
    return {
        "label": data.label(key),
        "href": method_page(row["method"]),
        "weather": row["weather"],
        "supervision": row["supervision"],
        "control": bool(data.cards[key].get("control")),
        "marks": data.marks(group),
        "rank": _plain(row["rank"] or MISSING, _rank_order(row["rank"])),
        "status": row["status"],
        "reason": data.reasons.get(group, ""),
        "cells": cells,
    }


def _plain(text: str, order: str) -> dict[str, Any]:
    return {"text": text, "interval": "", "order": order, "best": False}


def _rank_order(rank: str) -> str:
    """Sorts ranges of ranks by their first, then their last rank."""
    if not rank:
        return order(math.nan)
    first, _, last = rank.partition("–")
    return order(int(first) + int(last or first) / 1e4)


def order(value: float) -> str:
    """The text by which a sortable table sorts."""
    if math.isnan(value):
        return f"{MISSING_ORDER:g}"
    return f"{min(float(value), LAST):.9g}"


def board_tables(data: RunData) -> list[dict[str, Any]]:
    """The tables of the board (`tables_of`), each with its data set and weather."""
    return [
        {**board_table(data, rows, f"{dataset}, {heading}"), "dataset": dataset, "weather": weather}
        for dataset, weather, heading, rows in tables_of(data.board)
    ]


def clear_tables(data: RunData) -> list[dict[str, Any]]:
    """What methods do to clear photographs (`no_harm`): for each such data set its `dataset`,
    `caption` and `rows` with `label`, `href` and `cells`."""
    found = (no_harm.no_harm(group, data.methods) for group in data.table.groups())
    return [
        {
            "dataset": table["dataset"].iloc[0],
            "caption": no_harm.caption(table),
            "rows": [
                {
                    "label": data.label((row["method"], row["variant"])),
                    "href": method_page(row["method"]),
                    "cells": no_harm.texts_of(row),
                }
                for row in table.to_dict("records")
            ],
        }
        for table in found
        if len(table)
    ]


def column_groups(tables: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The columns of some tables in groups, for the form that chooses among them.

    A column is shown at first if one of the tables shows it at first.
    """
    columns: dict[str, dict[str, Any]] = {}
    for head in (head for table in tables for head in table["heads"]):
        known = columns.setdefault(head["column"], dict(head))
        known["shown"] |= head["shown"]
    groups: dict[str, list[dict[str, Any]]] = {}
    for head in columns.values():
        groups.setdefault(head["group"], []).append(head)
    return [{"name": name, "columns": found} for name, found in groups.items()]


def score_texts(data: RunData, place, key) -> list[str]:
    """An image's scores as short texts, such as `PSNR 25.47 dB`; missing ones are left out."""
    values = {metric: data.score(place, key, metric) for metric in ON_IMAGES}
    return [
        f"{METRIC[metric].acronym} {METRIC[metric].text(value)}"
        for metric, value in values.items()
        if not math.isnan(value)
    ]


def training_curve(data: RunData, path: str | None) -> dict[str, Any] | None:
    """The points of a training curve, `points`: [[step, loss], ...], and its description, `text`.

    path: of a CSV with the columns step,loss, relative to the run or to the repository. Losses that
    are not positive and finite are left out: the axis is logarithmic. None if there is no file or
    fewer than two points. Raises UserError if the file is malformed.
    """
    files = [folder / path for folder in (data.run_dir, data.root)] if path else []
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        return None
    with reading(file, "a CSV with numbers in the columns step,loss", "train the method again"):
        table = pd.read_csv(file)[["step", "loss"]].astype(float)
    table = table[(table["loss"] > 0) & table["loss"].lt(math.inf)]
    if len(table) < 2:
        return None
    # Means of neighbouring points keep the level of the curve.
    group = (pd.RangeIndex(len(table)) * CURVE_POINTS // len(table)).to_numpy()
    points = table.groupby(group)[["step", "loss"]].mean().to_numpy().tolist()
    (first, first_loss), (last, last_loss) = points[0], points[-1]
    return {
        "points": [[float(f"{step:.6g}"), float(f"{loss:.6g}")] for step, loss in points],
        "text": f"Training loss, from {first_loss:.3g} at step {whole_text(first)} to "
        f"{last_loss:.3g} at step {whole_text(last)}.",
    }


def duration(seconds: float | None) -> str:
    """A training time such as `15 min 0 s`; empty if there is none."""
    if not seconds:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
