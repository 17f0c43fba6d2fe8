"""Uncertainty in the report: the tables of the first page, and the maps of an image's page."""

from pathlib import Path
from typing import Any

import numpy as np

from benchmark.board.score_table import ALL
from benchmark.board.uncertainty import HEADS, ONE_ANSWER, note, read_uncertainty, texts_of
from benchmark.core.heat import heat_map, top_of
from benchmark.core.image_io import read_image, write_png
from benchmark.report.parts import link, method_page, slug
from benchmark.report.run_data import RunData
from benchmark.results.layout import sample_files


def uncertainty_tables(data: RunData) -> list[dict[str, Any]]:
    """For each data set the variants with samples: `heads`, and `rows` with `href`, `cells` and,
    where there are no numbers, a `note`."""
    table = read_uncertainty(data.run_dir)
    if table is None:
        return []
    of_all = table[table["weather"] == ALL]
    return [
        {
            "dataset": dataset,
            "heads": HEADS,
            "rows": [
                {
                    "href": method_page(row["method"]),
                    "cells": texts_of(row, data.methods),
                    "note": note(row),
                }
                for row in rows.to_dict("records")
            ],
        }
        for dataset, rows in of_all.groupby("dataset", sort=False)
    ]


def spread_maps(data: RunData, photo: dict[str, Any], report: Path) -> list[dict[str, Any]]:
    """The maps of an image: for each variant with samples here, `spread` and `error` as pictures.

    The spread is the samples' standard deviation, the error that of their mean, both as root mean
    square over the channels and on one scale, of which `top` is the bright end, in levels. Without
    a target there is no error. If all samples are the same, `note` says so in place of a map.
    """
    found = []
    for key in data.cards:
        files = sample_files(data.run_dir, key, photo["place"])
        if len(files) < 2:
            continue
        shown = {"label": data.label(key), "count": len(files), "href": method_page(key[0]),
                 "note": "", "top": "", "maps": []}  # fmt: skip
        stack = np.stack([read_image(file) for file in files]).astype(np.float32)
        maps = {"spread": _over_channels(stack.std(axis=0, ddof=1))}
        target = photo["target"] and data.root / photo["target"]
        if target and target.is_file():
            maps["error of their mean"] = _over_channels(stack.mean(axis=0) - read_image(target))
        if not maps["spread"].any():
            found.append(shown | {"note": ONE_ANSWER})
            continue
        top = top_of(*maps.values())
        pictures = [
            {"name": name, "src": _write(heat_map(values, top), photo, key, name, report)}
            for name, values in maps.items()
        ]
        found.append(shown | {"top": f"{top:.0f}", "maps": pictures})
    return found


def _over_channels(values: np.ndarray) -> np.ndarray:
    """Root mean square over the channels: (H, W, 3) to (H, W)."""
    return np.sqrt((values**2).mean(axis=2))


def _write(pixels: np.ndarray, photo: dict, key: tuple[str, str], name: str, report: Path) -> str:
    """Write a map; returns its URL from the pages of images."""
    file = f"{slug(*photo['place'], *key, name.split()[0])}.png"
    write_png(report / "uncertainty" / file, pixels)
    return f"../{link(f'uncertainty/{file}')}"
