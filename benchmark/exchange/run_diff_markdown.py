"""Writes the comparison of two runs as Markdown."""

from typing import Any

import pandas as pd

from benchmark.board.format import interval_text, number_text, p_text
from benchmark.board.legend import MISSING
from benchmark.board.score_table import ALL, METRICS
from benchmark.core.markdown import cell, markdown_table
from benchmark.exchange.run_diff import RunComparison
from benchmark.results.tables import label
from benchmark.scoring.metrics import METRIC
from benchmark.significance.paired_tests import ALPHA

HEADS = ("method", "A", "B", "B - A", "d_z", "p (Holm)", "B is")
ALIGN = ("left", *["right"] * 5, "left")
MOST_CHARACTERS = 120  # of a value


def to_markdown(found: RunComparison) -> str:
    """The differences of the runs, then a table of score differences for each data set and metric.

    A weather has a row if the difference is significant; `found.table` has all weathers.
    """
    name_a, name_b = (cell(str(run.path)) for run in (found.a, found.b))
    parts = [f"# Run A {name_a}, run B {name_b}", "", *_images(found), ""]
    parts += _differences("Manifests", found.manifest, _no_manifest(found))
    parts += _differences("Settings of methods", found.methods)
    for side, keys, run in (("A", found.only_a, found.a), ("B", found.only_b, found.b)):
        if keys:
            names = ", ".join(cell(label(run.cards[key])) for key in keys)
            parts += [f"Only in {side}: {names}.", ""]
    parts += _tables(found)
    return "\n".join(parts).rstrip() + "\n"


def _images(found: RunComparison) -> list[str]:
    lines = [f"Compared on the {found.common} images that both have"]
    if (found.images_a, found.images_b) != (found.common, found.common):
        lines[0] += f" (A has {found.images_a}, B {found.images_b})"
    lines[0] += "."
    if found.changed:
        lines.append(
            f"{found.changed} images of the same name have different content and are left out."
        )
    return lines


def _no_manifest(found: RunComparison) -> str:
    missing = [str(run.path) for run in (found.a, found.b) if not run.manifest]
    return f"No manifest.json in {' and '.join(missing)}." if missing else ""


def _differences(title: str, rows: list[tuple[str, Any, Any]], note: str = "") -> list[str]:
    parts = [f"## {title}", ""]
    if note:
        parts += [cell(note), ""]
    if not rows:
        return [*parts, "No difference.", ""]
    lines = [(cell(key), _value(a), _value(b)) for key, a, b in rows]
    return [*parts, markdown_table(("", "A", "B"), lines), ""]


def _value(value: Any) -> str:
    if value is None:
        return MISSING
    text = str(value)
    return cell(text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…")


def _tables(found: RunComparison) -> list[str]:
    parts = [
        "## Scores",
        "",
        "Means over the common images. B - A has a 95 % confidence interval over photos and, if "
        "there are several, seeds. p is corrected with Holm's method over all rows of a metric, "
        "with those of every weather. d_z is the mean difference divided by the standard deviation "
        "of the photos' differences. A method with a missing score in either run is left out.",
        "",
    ]
    if found.table.empty:
        return [*parts, "No common method has a score on every common image in both runs."]
    for metric in METRICS:
        for dataset, rows in found.table[found.table["metric"] == metric].groupby("dataset"):
            shown = rows[(rows["weather"] == ALL) | (rows["p_holm"] < ALPHA)]
            if rows["weather"].nunique() == 2:  # with a single weather, `all` has the same row
                shown = rows[rows["weather"] == ALL]
            parts += [f"### {cell(dataset)}: {METRIC[metric].heading}", ""]
            lines = [_row(found, row) for row in shown.to_dict("records")]
            parts += [markdown_table(HEADS, lines, ALIGN), ""]
    return parts


def _row(found: RunComparison, row: dict[str, Any]) -> list[str]:
    decimals = METRIC[row["metric"]].decimals
    name = label(found.b.cards[row["method"], row["variant"]])
    return [
        cell(name if row["weather"] == ALL else f"{name}, {row['weather']}"),
        number_text(row["a"], f".{decimals}f"),
        number_text(row["b"], f".{decimals}f"),
        interval_text(row, "difference", f"+.{decimals}f"),
        number_text(row["effect"], "+.2f"),
        p_text(row["p_holm"]),
        _verdict(row),
    ]


def _verdict(row: dict[str, Any]) -> str:
    if row["equal_images"] == row["n_images"]:
        return "equal on every image"
    if pd.isna(row["p_holm"]) or row["p_holm"] >= ALPHA:
        return "not told apart"
    higher = row["difference"] > 0
    return "better" if higher != METRIC[row["metric"]].lower_is_better else "worse"
