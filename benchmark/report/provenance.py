"""The credits of the photographs in a report: author, licence and source."""

from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.core.reading import reading

CREDITS = "manifest.csv"
WANTED = ("author", "licence", "source")
NOT_STATED = "not stated"


class Credits:
    """Finds an image's credit in the nearest `manifest.csv` in the folders above it.

    The table has a column `file`, paths relative to its folder, and any of `WANTED`. root: the
    folder where images' paths start. Raises UserError if a table cannot be read.
    """

    def __init__(self, root: Path):
        self.root = root
        self._tables: dict[Path, dict[str, dict[str, str]]] = {}

    def of(self, path: str) -> dict[str, str] | None:
        """The credit of an image, `WANTED` → text; None if no table names the image."""
        for parent in Path(path).parents:
            row = self._table(parent).get(Path(path).relative_to(parent).as_posix())
            if row:
                return {name: row.get(name) or NOT_STATED for name in WANTED}
        return None

    def _table(self, folder: Path) -> dict[str, dict[str, str]]:
        if folder not in self._tables:
            self._tables[folder] = _read(self.root / folder / CREDITS)
        return self._tables[folder]


def _read(file: Path) -> dict[str, dict[str, str]]:
    if not file.is_file():
        return {}
    with reading(file, "a readable CSV", "pull the data again"):
        table = pd.read_csv(file, dtype=str, keep_default_na=False)
    if "file" not in table:
        return {}
    return table.drop_duplicates("file").set_index("file").to_dict("index")


def photo_credits(photos: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Data set, name and credit of each photograph with a credit, sorted."""
    entries = {
        (photo["dataset"], photo["photo"]): photo["credit"] for photo in photos if photo["credit"]
    }
    return [
        {"dataset": dataset, "photo": name, **known}
        for (dataset, name), known in sorted(entries.items())
    ]
