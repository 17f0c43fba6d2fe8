"""The parts of pages as plain values for the templates: tables, curves, names of files."""

import hashlib
import math
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from benchmark.board.aggregate import ALL, METRICS
from benchmark.board.format import (
    HEADINGS,
    MISSING,
    count_text,
    device_numbers,
    seconds_text,
    value_text,
)
from benchmark.core.errors import UserError
from benchmark.report.run_data import RunData

COSTS = (
    ("seconds", "seconds", seconds_text),
    ("seconds_per_megapixel", "s / MP", seconds_text),
    ("nfe", "NFE", count_text),
    ("parameters", "parameters", count_text),
    ("flops", "FLOPs", count_text),
    ("peak_memory_bytes", "peak memory", lambda value: count_text(value, "B")),
    ("training_flops", "training FLOPs", count_text),
    ("training_seconds", "training s", seconds_text),
)
LONGEST = 150  # signs of a made file name that are those of the names it stands for
LAST = 1e300  # sorts what is infinite or missing to an end


def slug(*names: str) -> str:
    """A file name from any names: readable, safe in every file system, one for one."""
    plain = "--".join(re.sub(r"[^A-Za-z0-9._-]+", "-", name) for name in names)
    exact = plain == "--".join(names) and not any("--" in name for name in names)
    if exact and len(plain) <= LONGEST:
        return plain
    return f"{plain[:LONGEST]}-{hashlib.sha256(chr(31).join(names).encode()).hexdigest()[:6]}"


def link(path: Path | str) -> str:
    """A relative path as a URL: `#`, `?`, `%` and spaces in names do not end or change it."""
    return quote(Path(path).as_posix())


def method_page(method: str) -> str:
    return f"methods/{slug(method)}.html"


def board_table(data: RunData, rows: pd.DataFrame, caption: str, with_weather: bool = False):
    """Rows of the leaderboard for the `board` macro, with only the columns that hold something.

    The heads of metrics carry the protocol that they belong to, others none. Where a run was
    measured on several devices, the last column has their numbers.
    """
    metrics = [metric for metric in METRICS if rows[metric].notna().any()]
    costs = [cost for cost in COSTS if rows[cost[0]].notna().any()]
    return {
        "caption": caption,
        "with_weather": with_weather,
        "heads": [
            *({"text": HEADINGS[m], "protocol": m.split("/")[0]} for m in metrics),
            *({"text": head, "protocol": ""} for _, head, _ in costs),
            *([{"text": "on", "protocol": ""}] if len(data.devices) > 1 else []),
        ],
        "rows": [_board_row(data, row, metrics, costs) for _, row in rows.iterrows()],
    }


def _board_row(data: RunData, row: pd.Series, metrics, costs) -> dict[str, Any]:
    key = (row["method"], row["variant"])
    group = (row["dataset"], row["weather"], *key)
    cells = []
    for metric in metrics:
        text, _, interval = value_text(row, metric).partition(" ")
        best = (*group, metric) in data.leaders
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
    """Sorts ranges of ranks by their first, then their last rank; none comes last."""
    if not rank:
        return order(math.inf)
    first, _, last = rank.partition("–")
    return order(int(first) + int(last or first) / 1e4)


def order(value: float) -> str:
    """What a sortable table sorts by."""
    if math.isnan(value):
        return f"{-LAST:g}"
    return f"{min(float(value), LAST):.9g}"


def dataset_tables(data: RunData, dataset: str) -> list[dict[str, Any]]:
    """A table a weather, `all` first; `all` of a single weather is left out."""
    rows = data.board[data.board["dataset"] == dataset]
    weathers = list(dict.fromkeys(rows["weather"]))
    if len(weathers) == 2:
        weathers.remove(ALL)
    tables = []
    for weather in weathers:
        name = f"all {len(weathers) - 1} weathers" if weather == ALL else weather
        table = board_table(data, rows[rows["weather"] == weather], f"{dataset}, {name}")
        tables.append({**table, "dataset": dataset, "weather": weather})
    return tables


def score_texts(data: RunData, place, key) -> list[str]:
    """An image's scores as short texts; those that are missing are left out."""
    texts = []
    for metric, form in (
        ("rgb/psnr", "PSNR {:.2f} dB"),
        ("rgb/ssim", "SSIM {:.3f}"),
        ("lpips-alex/lpips", "LPIPS {:.3f}"),
        ("no-reference/niqe", "NIQE {:.2f}"),
        ("no-reference/piqe", "PIQE {:.1f}"),
    ):
        value = data.score(place, key, metric)
        if not math.isnan(value):
            texts.append(form.format(value).replace("inf", "∞"))
    return texts


def training_curve(data: RunData, path: str | None) -> dict[str, Any] | None:
    """A drawing of a CSV with the columns step,loss (loss on a log scale), or None without one.

    The path is relative to the run or to the repository. Raises UserError if the file is malformed.
    """
    files = [folder / path for folder in (data.run_dir, data.root)] if path else []
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        return None
    try:
        table = pd.read_csv(file)[["step", "loss"]].astype(float)
    except (ValueError, KeyError) as error:  # among them pandas' own and those of UTF-8
        raise UserError(
            f"{file} must have numbers in the columns step,loss; train the method again."
        ) from error
    table = table[(table["loss"] > 0) & table["loss"].lt(math.inf)]
    if len(table) < 2:
        return None
    # A point a pixel is all that can be seen; the mean keeps the curve's level.
    group = (pd.RangeIndex(len(table)) * 400 // len(table)).to_numpy()
    table = table.groupby(group)[["step", "loss"]].mean()
    width, height, left, bottom = 640, 260, 58, 30
    first, last = float(table["step"].iloc[0]), float(table["step"].iloc[-1])
    low, high = float(table["loss"].min()), float(table["loss"].max())
    span = math.log(high / low) or 1.0

    def x(step: float) -> float:
        return round(left + (width - left - 40) * (step - first) / ((last - first) or 1.0), 1)

    def y(loss: float) -> float:
        return round(12 + (height - bottom - 22) * (1 - math.log(loss / low) / span), 1)

    points = " L".join(
        f"{x(step)},{y(loss)}" for step, loss in table.itertuples(index=False, name=None)
    )
    return {
        "width": width,
        "height": height,
        "line": f"M{points}",
        "axes": f"M{left},8 V{height - bottom} H{width - 20}",
        "marks": [
            {"x": left - 6, "y": y(high) + 4, "anchor": "end", "text": f"{high:.3g}"},
            {"x": left - 6, "y": y(low) + 4, "anchor": "end", "text": f"{low:.3g}"},
            {"x": x(first), "y": height - 12, "anchor": "middle", "text": f"{first:.0f}"},
            {"x": x(last), "y": height - 12, "anchor": "middle", "text": f"{last:.0f}"},
            {"x": width / 2, "y": height - 12, "anchor": "middle", "text": "training step"},
            {"x": width - 20, "y": 18, "anchor": "end", "text": "loss (log scale)"},
        ],
        "alt": f"Training loss, from {table['loss'].iloc[0]:.3g} at step {first:.0f} to "
        f"{table['loss'].iloc[-1]:.3g} at step {last:.0f}.",
    }


def duration(seconds: float | None) -> str:
    """A training time such as `15 min 0 s`; empty for none."""
    if not seconds:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
