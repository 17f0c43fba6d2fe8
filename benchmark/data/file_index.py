"""Finds checksums and sizes in pixels of many files, and images that cannot be read.

Files are read in parallel threads, a bounded number at a time. The results are kept in
`.cache/files.sqlite`, so that unchanged files are not read again.
"""

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import astuple, dataclass
from itertools import islice
from pathlib import Path

from benchmark.core.checksum import checksum
from benchmark.core.errors import UserError
from benchmark.core.image_io import SUFFIXES, read_image
from benchmark.core.paths import ROOT, shown
from benchmark.core.reading import regular

CACHE = ROOT / ".cache" / "files.sqlite"
MAX_THREADS = 16
BATCH = 1024
# A file that changed so recently may change again without a new time of modification.
FRESH_NANOSECONDS = 2_000_000_000
TABLE = (
    "CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, stamp TEXT, sha256 TEXT, "
    "height INTEGER, width INTEGER, fault TEXT)"
)


@dataclass(frozen=True)
class Facts:
    """A file's SHA-256 and, for an image, its size in pixels or the reason why it is unreadable."""

    sha256: str
    height: int = 0
    width: int = 0
    fault: str = ""


def examine(paths: Iterable[Path], label: str = "checking") -> dict[Path, Facts]:
    """The facts of each file; shows a progress bar named `label` on a terminal.

    Files with the suffix of an image are decoded, all others only hashed. A file counts as
    unchanged if its size, its inode, its time of modification and its time of change (which
    programs cannot set) are the same as before. A file that cannot be opened has a fault and no
    checksum. Raises OSError if a file is missing.
    """
    paths = list(dict.fromkeys(paths))
    found: dict[Path, Facts] = {}
    with closing(_open_cache()) as cache:
        started = time.time_ns()
        stamps = {path: _stamp(path.stat()) for path in paths}
        for batch in _batches(paths):
            found |= _look_up(cache, {path: stamps[path] for path in batch})
        new = [path for path in paths if path not in found]
        with ThreadPoolExecutor(threads()) as pool, _bar(len(new), label) as bar:
            for batch in _batches(new):
                facts = {}
                for path, fact in zip(batch, pool.map(_facts, batch), strict=True):
                    facts[path] = fact
                    bar.update()
                found |= facts
                settled = {
                    path: (stamps[path], fact)
                    for path, fact in facts.items()
                    if fact.sha256 and _changed(path.stat()) < started - FRESH_NANOSECONDS
                }
                _store(cache, settled)
    return found


def _facts(path: Path) -> Facts:
    try:
        sha256 = checksum(regular(path))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        return Facts("", fault=f"{shown(path)} cannot be read ({reason})")
    if path.suffix.lower() not in SUFFIXES:
        return Facts(sha256)
    try:
        height, width = read_image(path).shape[:2]
    except UserError as error:
        return Facts(sha256, fault=str(error))
    return Facts(sha256, height, width)


def _stamp(status: os.stat_result) -> str:
    """A text that is different after the file has changed."""
    times = status.st_mtime_ns, status.st_ctime_ns
    return "-".join(map(str, (status.st_size, *times, status.st_ino, status.st_dev)))


def _changed(status: os.stat_result) -> int:
    return max(status.st_mtime_ns, status.st_ctime_ns)


def _look_up(cache: sqlite3.Connection, stamps: dict[Path, str]) -> dict[Path, Facts]:
    """The stored facts of the files whose stamp is the stored one."""
    marks = ",".join("?" * len(stamps))
    by_name = {str(path): path for path in stamps}
    query = f"SELECT * FROM files WHERE path IN ({marks})"  # noqa: S608  (marks are question marks)
    try:
        rows = cache.execute(query, list(by_name)).fetchall()
    except (sqlite3.Error, UnicodeDecodeError):
        return {}  # a damaged page: the files are read again
    return {
        by_name[name]: Facts(*values)
        for name, stamp, *values in rows
        if name in by_name and stamp == stamps[by_name[name]]
    }


def _store(cache: sqlite3.Connection, facts: dict[Path, tuple[str, Facts]]) -> None:
    """Store the facts, except those of files that changed while they were read."""
    rows = [
        (str(path), stamp, *astuple(fact))
        for path, (stamp, fact) in facts.items()
        if _stamp(path.stat()) == stamp
    ]
    try:
        with cache:
            cache.executemany("REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)", rows)
    except sqlite3.Error:
        pass  # another process has locked it, or the disk is full: the files are read again


def _open_cache() -> sqlite3.Connection:
    """The cache. In memory, if its file is damaged, has another layout or cannot be opened."""
    try:
        CACHE.parent.mkdir(parents=True, exist_ok=True)
        cache = sqlite3.connect(CACHE, timeout=30)
        cache.execute(TABLE)
        cache.execute("SELECT path, stamp, sha256, height, width, fault FROM files LIMIT 1")
        return cache
    # UnicodeDecodeError: SQLite's own messages need not be UTF-8.
    except (sqlite3.Error, UnicodeDecodeError, OSError) as error:
        print(f"{CACHE} cannot be used ({error}): all files are read again. Delete this file.")
        cache = sqlite3.connect(":memory:")
        cache.execute(TABLE)
        return cache


def _batches(paths: list[Path]) -> Iterator[list[Path]]:
    """The paths in batches: an interrupted check loses only the results of the last one."""
    remaining = iter(paths)
    while batch := list(islice(remaining, BATCH)):
        yield batch


def threads() -> int:
    """One thread per core that this process may use: decoders and hashes release Python's lock."""
    return min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 4, MAX_THREADS)


def _bar(total: int, label: str):
    from tqdm import tqdm

    return tqdm(total=total, desc=label, unit="file", disable=None if total > BATCH // 10 else True)
