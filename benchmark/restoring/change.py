"""How much a restoration changed a photo, and how much the removal of weather usually changes."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from benchmark.core.environment import PROGRAM
from benchmark.core.image_io import read_image
from benchmark.core.reading import reading
from benchmark.results.schema import OK
from benchmark.results.tables import read_table
from benchmark.spec.method import ALL_WEATHERS

TABLE = "change.csv"
ALL = "all"
PERCENTILES = (1, 99)
COLUMNS = ("method", "variant", "weights", "weather", "images", "low", "high")
AGAIN = f"make it again with '{PROGRAM} change-table'"


@dataclass(frozen=True)
class Usual:
    """The change that a method makes to pictures in simulated weather.

    low, high: the 1st and the 99th percentile, in levels of 255. images: the number of pictures.
    """

    low: float
    high: float
    images: int

    def verdict(self, change: float) -> str:
        """A sentence if a change lies outside; empty if it is usual."""
        if change > self.high:
            return (
                f"changed by {change:.2f} levels, more than {self._what()}: compare it with the "
                "photo, and try a lower --strength or another --method if it looks wrong."
            )
        if change < self.low:
            return (
                f"changed by {change:.2f} levels, less than {self._what()}: it may show little "
                "weather, or weather that the method does not see."
            )
        return ""

    def _what(self) -> str:
        return (
            f"nearly all of {self.images} test pictures in simulated weather (1st to 99th "
            f"percentile: {self.low:.2f} to {self.high:.2f})"
        )


def change(before: np.ndarray, after: np.ndarray) -> float:
    """Root mean square difference of two uint8 images (H, W, 3), in levels of 255."""
    return cv2.norm(before, after, cv2.NORM_L2) / before.size**0.5


def blend(before: np.ndarray, after: np.ndarray, strength: float) -> np.ndarray:
    """`before` at strength 0, `after` at 1, in between in sRGB values: uint8 (H, W, 3)."""
    return after if strength == 1 else cv2.addWeighted(after, strength, before, 1 - strength, 0)


def usual_changes(rows: pd.DataFrame) -> pd.DataFrame:
    """The table of usual changes, columns COLUMNS, from pictures in simulated weather.

    rows: columns method, variant, weights, weather, status, input, file: the paths of a picture and
    of its restoration.
    """
    rows = rows[(rows["status"] == OK) & rows["weather"].isin(ALL_WEATHERS)]
    changes = [
        change(read_image(i), read_image(f))
        for i, f in zip(rows["input"], rows["file"], strict=True)
    ]
    rows = rows.assign(change=changes)
    table = []
    both = pd.concat([rows, rows.assign(weather=ALL)])
    for key, part in both.groupby(["method", "variant", "weights", "weather"], sort=True):
        low, high = np.percentile(part["change"], PERCENTILES)
        table.append((*key, len(part), round(low, 3), round(high, 3)))
    return pd.DataFrame(table, columns=COLUMNS)


def usual(folder: Path, method: str, variant: str, weights: str, weather: str) -> Usual | None:
    """The usual change of a method with these weights, from `TABLE` in a run's folder.

    weights: their checksum, empty for a method that does not learn. weather: `all` if it is not
    known. None if the table has no such row. Raises UserError if the table is malformed.
    """
    table = _read(folder)
    key = [method, variant, weights, weather]
    row = table[(table[list(COLUMNS[:4])] == key).all(axis=1)]
    if row.empty:
        return None
    with reading(folder / TABLE, "a table of numbers", AGAIN):
        low, high, images = (float(row[name].iloc[0]) for name in ("low", "high", "images"))
        return Usual(low, high, int(images))


def measured_weights(folder: Path) -> dict[str, str]:
    """The checksum of the weights of each method in `TABLE` of a run's folder."""
    table = _read(folder)
    return dict(zip(table["method"], table["weights"], strict=True))


def _read(folder: Path) -> pd.DataFrame:
    path = folder / TABLE
    return read_table(path, COLUMNS, AGAIN) if path.is_file() else pd.DataFrame(columns=COLUMNS)
