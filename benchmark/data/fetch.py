"""Prepares a public data set from its archives: download, check, unpack, compare with the card.

    python -m benchmark fetch NAME --accept-licence [--from FILE_OR_URL ...]

The set is moved to its card's `path` in one step, after all checks. If one fails, there is no set.
"""

import json
import os
import shutil
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlparse

from pydantic import BaseModel, ConfigDict, RootModel

from benchmark.core.atomic import write_text
from benchmark.core.checksum import checksum
from benchmark.core.environment import PROGRAM
from benchmark.core.errors import UserError
from benchmark.core.json_io import read_json
from benchmark.core.paths import fits_files, is_utf8, shown
from benchmark.core.validation import parse
from benchmark.data import cards, pairing, set_images
from benchmark.data.card_settings import Archive, DatasetCard
from benchmark.data.download import download_once, lock_downloads
from benchmark.data.unpack import DamagedArchive, unpack
from benchmark.spec.run_config import DatasetChoice


class _LockedFile(BaseModel):
    model_config = ConfigDict(strict=True)

    sha256: str


class _Lock(RootModel[dict[str, _LockedFile]]):
    """A lock file, `config/datasets/NAME.lock.json`: the first download of each archive."""


def terms(card: DatasetCard) -> str:
    """The licence that a user agrees to, and other facts to know before fetching a set."""
    return "\n".join(
        f"{key}: {text}"
        for key, text in (
            ("set", card.title),
            ("licence", card.licence),
            ("source", card.source),
            ("cite", card.citation),
            ("known overlaps and traps", card.overlaps or "none known"),
        )
    )


def fetch(name: str, sources: list[str]) -> dict[str, int]:
    """Prepare the set of card `name` from archives; returns the number of images in each split.

    sources: files or addresses of archives; if empty, the addresses on the card. Downloads are kept
    beside the set's folder, in `.NAME.download/`, until the set is complete. The user's own files
    are not changed. Raises UserError, and leaves the set's folder as it was, if: a set is there
    already, no address is known, a source is named twice, a download or an archive is refused, the
    checksum is not that of the card or of the first download, or the content does not agree with
    the card.
    """
    card = cards.load_card(name)
    folder = card.folder
    archives = choose_archives(name, card, sources)
    with lock_downloads(folder) as downloads:
        files = [_get_file(archive, source, downloads) for archive, source in archives]
        lock = cards.CARDS / f"{name}.lock.json"
        sums = _check_sha256(archives, files, lock)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
            unpacked = Path(scratch) / "unpacked"
            for (_, source), file in zip(archives, files, strict=True):
                _unpack(file, source, unpacked)
            root = _find_root(name, card, unpacked)
            try:
                counts = check(name, card.model_copy(update={"path": str(root)}))
            except UserError as error:
                raise UserError(_without_folder(str(error), root)) from None
            if folder.exists():
                folder.rmdir()
            os.replace(root, folder)
        write_text(lock, json.dumps(sums, indent=1, sort_keys=True) + "\n")
    shutil.rmtree(downloads)
    return counts


def _unpack(file: Path, source: str, folder: Path) -> None:
    """Unpack an archive. A damaged one that was downloaded is deleted: the next call must not take
    it for the whole file."""
    try:
        unpack(file, folder)
    except DamagedArchive:
        if "://" in source:
            file.unlink()
        raise


def _without_folder(message: str, folder: Path) -> str:
    """A message with paths below `folder` made relative to it, in both forms that messages have."""
    quoted = shown(folder)[1:-1]
    return message.replace(f"{folder}/", "").replace(f"{quoted}/", "")


def check(name: str, card: DatasetCard | None = None) -> dict[str, int]:
    """Check all splits of a set that have images; returns the number of images in each.

    card: with the folder of a set that has been unpacked; None for the set in its place. Raises
    UserError that lists all faults, or says that no split has images.
    """
    remedy = "Give the set's other archives with --from, or correct the keys in" if card else None
    card = card or cards.load_card(name)
    counts, all_faults = {}, {}
    for split in card.splits:
        table, faults = set_images.list_images(name, card, DatasetChoice(split=split))
        if table.empty:
            continue
        counts[split] = len(table)
        for kind, listed in faults.items():
            all_faults.setdefault(kind, []).extend(listed)
    if not counts:
        first = DatasetChoice(split=next(iter(card.splits)))
        _, all_faults = set_images.list_images(name, card, first)
    cards.raise_faults(name, all_faults, remedy)
    return counts


def choose_archives(name: str, card: DatasetCard, sources: list[str]) -> list[tuple[Archive, str]]:
    """Each archive with its source. A file's entry on the card is found by the file's name.

    Raises UserError if the set is there already, if no address is known, or if a source is named
    twice or is no name of an archive.
    """
    if card.folder.exists() and (not card.folder.is_dir() or any(card.folder.iterdir())):
        raise UserError(
            f"{card.path} is there already and is not changed. '{PROGRAM} verify {name}' checks "
            "it. To fetch the set again, move it away first."
        )
    known = {archive.file: archive for archive in card.archives}
    for source in sources:
        if sources.count(source) > 1:
            raise UserError(f"--from {source} is given twice: give each archive once.")
    if sources:
        named = [(_file_name(source), source) for source in sources]
        return [(known.get(file, Archive(file=file)), source) for file, source in named]
    unknown = [archive.file for archive in card.archives if archive.url is None]
    if unknown or not card.archives:
        raise UserError(
            f"config/datasets/{name}.yaml has no direct address of "
            f"{', '.join(unknown) or 'an archive'}, so the set must be downloaded by hand. Get it "
            f"from {card.source} and, if you agree to the licence, give the file: "
            f"'{PROGRAM} fetch {name} --accept-licence --from FILE'."
        )
    for archive in card.archives:
        _file_name(archive.file)
        _file_name(archive.url)
    return [(archive, archive.url) for archive in card.archives]


def _file_name(source: str) -> str:
    try:
        path = unquote(urlparse(source).path) if "://" in source else source
        urlparse(source).port  # noqa: B018  (raises ValueError, as a broken IPv6 host does)
    except ValueError as error:
        raise UserError(f"{source!r} is no address of an archive ({error}).") from None
    file = PurePosixPath(path).name
    # A download has a suffix of up to ten characters.
    usable = fits_files(f"{file}.part.json") and is_utf8(file)
    if not usable or file in ("", ".", "..") or "/" in file:
        raise UserError(f"{source!r:.200} does not end with the name of an archive.")
    return file


def _get_file(archive: Archive, source: str, downloads: Path) -> Path:
    if "://" not in source:
        if not Path(source).is_file():
            raise UserError(f"There is no archive {source}. Check the path given with --from.")
        return Path(source)
    return download_once(source, archive.file, downloads)


def _check_sha256(
    archives: list[tuple[Archive, str]], files: list[Path], lock: Path
) -> dict[str, dict]:
    """Refuse an archive with another checksum than the card's or the lock file's, if they have one.

    Returns the new content of the lock file, whose keys are the names of the archives; the second
    of one name is `NAME#2`. A refused download is deleted.
    """
    known: dict[str, Any] = {}
    if lock.exists():
        remedy = "restore it, or delete it"
        known = read_json(lock, remedy)
        parse(_Lock, known, str(lock), remedy)
    locked = {key: entry["sha256"] for key, entry in known.items()}
    names: list[str] = []
    for (archive, source), file in zip(archives, files, strict=True):
        names.append(archive.file)
        count = names.count(archive.file)
        found, key = checksum(file), archive.file if count == 1 else f"{archive.file}#{count}"
        expected = archive.sha256 or locked.get(key, found)
        if found != expected:
            if "://" in source:
                file.unlink()
            where = (
                "its card says" if archive.sha256 else f"{lock.name} has from the first download"
            )
            raise UserError(
                f"{source} is refused: its SHA-256 is {found}, {where} {expected}. It is damaged "
                "or has been replaced. Download it again. If its publisher has replaced it, change "
                "the checksum there."
            )
        known[key] = {"sha256": found, "bytes": file.stat().st_size, "source": source}
    return known


def _find_root(name: str, card: DatasetCard, unpacked: Path) -> Path:
    """The folder below which most of the card's patterns match; of equal ones, the topmost."""
    patterns = [
        split.input_of(weather) for split in card.splits.values() for weather in card.weathers
    ]
    best, most = None, 0
    for folder, _, _ in os.walk(unpacked):
        matches = sum(any(Path(folder).glob(pairing.glob_of(pattern))) for pattern in patterns)
        if matches > most:
            best, most = Path(folder), matches
    if best is None:
        present = sorted({path.relative_to(unpacked).as_posix() for path in unpacked.glob("*/*")})
        raise UserError(
            f"The archives of '{name}' have no image where its card looks for them "
            f"({', '.join(dict.fromkeys(patterns))}). They have "
            f"{', '.join(present[:10]) or 'nothing'}{' and more' if len(present) > 10 else ''}. "
            f"Change the patterns in 'splits' of config/datasets/{name}.yaml accordingly."
        )
    return best
