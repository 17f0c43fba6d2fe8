"""How much several restorations of one photo differ, and the map of it."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from benchmark.core.heat import heat_map, top_of
from benchmark.core.image_io import write_png


class Spread:
    """The standard deviation of restorations that come one after the other: they need not be in
    memory together.

    Welford's sums (Technometrics 4, 1962): `mean` and `squares` are float32 (H, W, 3), in levels.
    """

    def __init__(self, first: np.ndarray):
        """first: uint8 (H, W, 3)."""
        self.count = 1
        self.mean = first.astype(np.float32)
        self.squares = np.zeros_like(self.mean)

    def add(self, more: Iterable[np.ndarray]) -> None:
        """Take further restorations into account: uint8 (H, W, 3) each."""
        for pixels in more:
            self.count += 1
            before = pixels - self.mean
            self.mean += before / self.count
            self.squares += before * (pixels - self.mean)

    def map(self) -> np.ndarray:
        """The standard deviation at each pixel, (H, W): root mean square over the channels."""
        return np.sqrt(self.squares.mean(axis=2) / (self.count - 1))


def write_map(path: Path, spread: np.ndarray, strength: float) -> str:
    """Write a map (H, W) of what the spread is at a strength as a PNG; returns what it shows.

    Black is 0; the brightest yellow is the value that 99 % of the pixels stay below. Where the map
    would be 0 throughout, there is none, and an earlier one is removed.
    """
    if strength == 0:
        path.unlink(missing_ok=True)
        return "at strength 0 the photo stays as it is; there is no map"
    if not spread.any():
        path.unlink(missing_ok=True)
        return (
            "all restorations are the same: the method has one answer at this setting. That does "
            "not mean that it is certain; there is no map"
        )
    spread = strength * spread
    top = top_of(spread)
    write_png(path, heat_map(spread, top))
    mean = float(np.sqrt((spread.astype(np.float64) ** 2).mean()))
    return (
        f"the restorations differ by {mean:.1f} levels of 255 (standard deviation); in the map, "
        f"black is 0 and yellow {top:.0f} or more"
    )
