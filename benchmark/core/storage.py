"""How a restored image becomes a file before it is scored: its levels and its format.

Papers differ in this, and the difference is part of their numbers (docs/protocols.md). Most round
to 8 bits; some truncate, as in `numpy.uint8(255 * x)`; some score JPEG files.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Storage:
    """A way to store a restored image.

    quantise: how values in [0, 1] become 8-bit levels: `round` to the nearest, or `truncate` to
    the one below. jpeg_quality: of a JPEG by OpenCV (4:2:0), from 0 to 100; None for PNG.
    """

    name: str
    quantise: Literal["round", "truncate"] = "round"
    jpeg_quality: int | None = None

    @property
    def columns(self) -> tuple[str, str]:
        """The columns of file and SHA-256 in a table of restored images."""
        prefix = "" if self == ROUNDED else f"{self.name}_"
        return f"{prefix}file", f"{prefix}sha256"

    def path(self, folder: Path, weather: str, image: str) -> Path:
        """A data set's image: `WEATHER/IMAGE.png`, or `NAME/WEATHER/IMAGE.SUFFIX`."""
        place = folder if self == ROUNDED else folder / self.name
        return place / weather / f"{image}.{'png' if self.jpeg_quality is None else 'jpg'}"

    def write(self, path: Path, image: "np.ndarray") -> None:
        """Write float32 (H, W, 3) RGB in [0, 1] atomically; values outside are clipped.

        Raises ValueError for values that are not finite, NotWritten if the disk is full.
        """
        # Only here: verbs that read tables need the columns, and must not wait for OpenCV.
        from benchmark.core.image_io import to_uint8, write_jpeg, write_png

        levels = to_uint8(image, self.quantise)
        if self.jpeg_quality is None:
            write_png(path, levels)
        else:
            write_jpeg(path, levels, self.jpeg_quality)


ROUNDED = Storage("rounded")
TRUNCATED = Storage("truncated", quantise="truncate")
JPEG = Storage("jpeg", jpeg_quality=95)
STORAGES = (ROUNDED, TRUNCATED, JPEG)
