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

    `version`: of the simulation that made the degraded pictures. `files`: path from the set's
    folder and checksum. `pairs`: strength level of a degraded picture.
    """

    model_config = ConfigDict(strict=True)

    version: int | None = None
    files: list[_ListedFile]
    pairs: list[_ListedPair] = []


def read(folder: Path, manifest: str | None) -> tuple[dict[str, str], dict[str, str]]:
    """The checksum of each file, and the strength level of each degraded picture.

    Both by path below the set's folder, and empty if there is no manifest. manifest: its path below
    the folder. Raises UserError with the file and key at fault.
    """
    if manifest is None:
        return {}, {}
    content, where = _content(folder / manifest)
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


def version(folder: Path, manifest: str | None) -> int | None:
    """The version of the simulation that made the pairs; None if the manifest lists no pair.

    Arguments and errors as `read`.
    """
    if manifest is None:
        return None
    content, _ = _content(folder / manifest)
    return content.version if content.pairs else None


def _content(file: Path) -> tuple[_Manifest, str]:
    """The content of a manifest, and what messages call it."""
    where = f"{shown(file)} (the card's 'manifest')"
    with reading(where, "valid JSON", PULL):
        content = loads(read_text(file))
    return validation.parse(_Manifest, content, where, PULL), where
