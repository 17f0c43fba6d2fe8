"""The manifest of a data set: the checksums of its files, and the strengths of its pictures."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from benchmark.core import validation
from benchmark.core.errors import UserError
from benchmark.core.json_io import loads
from benchmark.core.paths import shown, where_the_data_come_from
from benchmark.core.reading import read_text, reading

PULL = where_the_data_come_from().replace("dvc pull", "dvc pull --force")


class _ListedFile(BaseModel):
    path: str
    sha256: str


class _ListedPair(BaseModel):
    degraded: str
    level: str


class _Manifest(BaseModel):
    """The keys of a set's manifest that are read; it may have others.

    `files`: path from the set's folder and checksum. `pairs`: strength level of a degraded picture.
    """

    model_config = ConfigDict(strict=True)

    files: list[_ListedFile]
    pairs: list[_ListedPair] = []


def read(folder: Path, manifest: str | None) -> tuple[dict[str, str], dict[str, str]]:
    """The checksum of each file, and the strength level of each degraded picture.

    Both by path below the set's folder, and empty if there is no manifest. manifest: its path below
    the folder. Raises UserError with the file and key at fault.
    """
    if manifest is None:
        return {}, {}
    file = folder / manifest
    where = f"{shown(file)} (the card's 'manifest')"
    with reading(where, "valid JSON", PULL):
        content = loads(read_text(file))
    content = validation.parse(_Manifest, content, where, PULL)
    checksums = {entry.path: entry.sha256 for entry in content.files}
    levels = {}
    for number, pair in enumerate(content.pairs):
        if pair.degraded not in checksums:
            raise UserError(
                f"{where}: pairs.{number}.degraded: {pair.degraded!r:.60} is not in 'files'; "
                f"{PULL}."
            )
        levels[pair.degraded] = pair.level
    return checksums, levels
