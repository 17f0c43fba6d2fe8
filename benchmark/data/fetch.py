"""Prepares a public data set from its archives: download, check, unpack, compare with the card.

    python -m benchmark fetch NAME --accept-licence [--from FILE_OR_URL ...]

The set appears at its card's `path` in one step when all of it is right, and not at all otherwise.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlparse

from benchmark.core.atomic import write_text
from benchmark.core.checksum import checksum
from benchmark.core.errors import UserError
from benchmark.data import cards
from benchmark.data.cards import Archive, DatasetCard
from benchmark.data.download import download
from benchmark.data.unpack import unpack
from benchmark.spec.run_config import DatasetChoice


def terms(card: DatasetCard) -> str:
    """What one agrees to, and should know, before fetching a set."""
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
    """Prepare the set of card `name` from archives; returns how many images each split has.

    sources: files or addresses of archives; those of the card if none. Downloads are kept beside
    the set's folder, `.NAME.download/`, until the set is there; files of the user's are left alone.
    Raises UserError, and leaves the set's folder as it was: a set is there already, no address is
    known, a download or an archive that is refused, another checksum than the card's or than that
    of the first download, content that does not fit the card.
    """
    card = cards.load_card(name)
    folder = card.folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(
            f"{card.path} is there already and is left as it is. 'python -m benchmark verify "
            f"{name}' checks it; move it away to fetch the set anew."
        )
    archives = _archives(name, card, sources)
    with _alone(folder) as downloads:
        files = [_file(archive, source, downloads) for archive, source in archives]
        lock = cards.CARDS / f"{name}.lock.json"
        sums = _check_sums(archives, files, lock)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
            unpacked = Path(scratch) / "unpacked"
            for file in files:
                unpack(file, unpacked)
            root = _find_root(name, card, unpacked)
            try:
                counts = check(name, card.model_copy(update={"path": str(root)}))
            except UserError as error:
                raise UserError(str(error).replace(f"{root}/", "")) from None
            if folder.exists():
                folder.rmdir()
            os.replace(root, folder)
        write_text(lock, json.dumps(sums, indent=1, sort_keys=True) + "\n")
    shutil.rmtree(downloads)
    return counts


def check(name: str, card: DatasetCard | None = None) -> dict[str, int]:
    """Check all splits of a set of which there is anything; returns how many images each has.

    Raises UserError that lists all that is wrong, or that there is nothing.
    """
    card = card or cards.load_card(name)
    counts, all_faults = {}, {}
    for split in card.splits:
        table, faults = cards.images_of(name, card, DatasetChoice(split=split))
        if table.empty:
            continue
        counts[split] = len(table)
        for kind, listed in faults.items():
            all_faults.setdefault(kind, []).extend(listed)
    if not counts:
        _, all_faults = cards.images_of(name, card, DatasetChoice(split=next(iter(card.splits))))
    cards.refuse(name, all_faults)
    return counts


def _archives(name: str, card: DatasetCard, sources: list[str]) -> list[tuple[Archive, str]]:
    """Each archive with where to take it from; what the card says of a file goes by its name."""
    known = {archive.file: archive for archive in card.archives}
    if sources:
        named = [(_file_name(source), source) for source in sources]
        return [(known.get(file, Archive(file=file)), source) for file, source in named]
    unknown = [archive.file for archive in card.archives if archive.url is None]
    if unknown or not card.archives:
        raise UserError(
            f"config/datasets/{name}.yaml has no direct address of "
            f"{', '.join(unknown) or 'an archive'}. Get it from {card.source} and give the file: "
            f"python -m benchmark fetch {name} --accept-licence --from FILE"
        )
    return [(archive, archive.url) for archive in card.archives]


def _file_name(source: str) -> str:
    path = unquote(urlparse(source).path) if "://" in source else source
    file = PurePosixPath(path).name
    if not file or file in (".", "..") or "/" in file:
        raise UserError(f"{source} does not end with the name of an archive.")
    return file


@contextmanager
def _alone(folder: Path) -> Iterator[Path]:
    """The folder of downloads, while no other process fetches the same set."""
    import fcntl

    downloads = folder.with_name(f".{folder.name}.download")
    downloads.mkdir(parents=True, exist_ok=True)
    with (downloads / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"Another process is fetching {folder}. Wait until it is done."
            ) from None
        yield downloads


def _file(archive: Archive, source: str, downloads: Path) -> Path:
    if "://" not in source:
        if not Path(source).is_file():
            raise UserError(f"There is no archive {source}. Check the path given with --from.")
        return Path(source)
    file = downloads / archive.file
    if not file.exists():
        download(source, file)
    return file


def _check_sums(
    archives: list[tuple[Archive, str]], files: list[Path], lock: Path
) -> dict[str, dict]:
    """Refuse an archive with another checksum than the card's or the lock file's, if they have one.

    Returns what the lock file is to hold. A refused download is deleted.
    """
    try:
        known = json.loads(lock.read_text(encoding="utf-8"))
        locked = {file: entry["sha256"] for file, entry in known.items()}
    except FileNotFoundError:
        known, locked = {}, {}
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{lock} is damaged ({error}). Restore it, or delete it.") from error
    for (archive, source), file in zip(archives, files, strict=True):
        found = checksum(file)
        expected = archive.sha256 or locked.get(archive.file, found)
        if found != expected:
            if "://" in source:
                file.unlink()
            where = (
                "its card says" if archive.sha256 else f"{lock.name} has from the first download"
            )
            raise UserError(
                f"{source} is refused: its SHA-256 is {found}, {where} {expected}. It is damaged "
                "or has been replaced. Download it again; if its publisher did replace it, change "
                "the checksum there."
            )
        known[archive.file] = {"sha256": found, "bytes": file.stat().st_size, "source": source}
    return known


def _find_root(name: str, card: DatasetCard, unpacked: Path) -> Path:
    """The folder of an archive below which most of the card's patterns match; the highest such."""
    patterns = [
        cards.BRACES.sub("*", split.input_of(weather))
        for split in card.splits.values()
        for weather in card.weathers
    ]
    best, most = None, 0
    for folder, _, _ in os.walk(unpacked):
        matches = sum(any(Path(folder).glob(pattern)) for pattern in patterns)
        if matches > most:
            best, most = Path(folder), matches
    if best is None:
        held = sorted({path.relative_to(unpacked).as_posix() for path in unpacked.glob("*/*")})
        raise UserError(
            f"The archives of '{name}' have no image where its card looks for them "
            f"({', '.join(dict.fromkeys(patterns))}). They have {', '.join(held[:10]) or 'nothing'}"
            f"{' and more' if len(held) > 10 else ''}. Write what they have into 'splits' of "
            f"config/datasets/{name}.yaml."
        )
    return best
