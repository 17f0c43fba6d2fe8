"""Files and folders that are either whole or absent, wherever the program is killed."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from benchmark.core.errors import DISK_FAULTS, NotWritten

PARTIAL = ".partial-"


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; move it there when the block ends without an error.

    A reader sees the old file or the new one, never half of one, and an error or a kill leaves the
    old file as it was. The temporary name keeps the suffix, because writers choose a format by it.
    What a killed process left is removed by the next that writes into the folder. Raises NotWritten
    if the disk is full or the place cannot be written to.
    """
    path = Path(path)
    with _named_faults(path), _temporary(path, _new_file) as temporary:
        yield temporary
        # mkstemp makes files private; results are meant to be read like any other file.
        temporary.chmod(0o666 & ~_umask())
        os.replace(temporary, path)


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path` that replaces it as a whole, as `atomic_path` does.

    A kill at the moment of the exchange leaves no folder, never half of one.
    """
    path = Path(path)
    with _named_faults(path), _temporary(path, _new_folder) as temporary:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        old = temporary.with_name(f"{temporary.name}-old")
        if path.exists():
            path.rename(old)
        temporary.rename(path)
        shutil.rmtree(old, ignore_errors=True)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8, atomically; what has no UTF-8 (half a character, from a damaged file)
    is written as JSON and Python escape it."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


@contextmanager
def _temporary(path: Path, new: Callable[[Path], tuple[int, Path]]) -> Iterator[Path]:
    """A new file or folder beside `path`, locked while it is being written, gone afterwards."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path.parent)
    lock, temporary = new(path)
    while not _is_own(lock, temporary):  # another process took it for a leftover before the lock
        os.close(lock)
        lock, temporary = new(path)
    try:
        yield temporary
    finally:
        _remove(temporary)
        os.close(lock)


def _new_file(path: Path) -> tuple[int, Path]:
    lock, name = tempfile.mkstemp(dir=path.parent, prefix=PARTIAL, suffix=path.suffix)
    return lock, Path(name)


def _new_folder(path: Path) -> tuple[int, Path]:
    name = tempfile.mkdtemp(dir=path.parent, prefix=PARTIAL, suffix=path.suffix)
    return os.open(name, os.O_RDONLY), Path(name)


def _is_own(lock: int, temporary: Path) -> bool:
    """Lock a new temporary; whether it is still there. Where files cannot be locked, it is."""
    with suppress(OSError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return temporary.exists()


@cache
def _sweep(folder: Path) -> None:
    """Remove what killed processes left in a folder: the temporaries that nobody has locked."""
    for leftover in folder.glob(f"{PARTIAL}*"):
        with suppress(OSError):
            lock = os.open(leftover, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(leftover)
            finally:
                os.close(lock)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


@contextmanager
def _named_faults(path: Path) -> Iterator[None]:
    """An error of the disk while `path` is written becomes NotWritten, which names it."""
    try:
        yield
    except OSError as error:
        at = Path(os.fsdecode(error.filename)) if error.filename else path
        # Without a number it is not the system's: Pillow calls a damaged image an OSError too.
        if error.errno and (path.is_relative_to(at) or at.is_relative_to(path.parent)):
            raise NotWritten.because(path, error) from error
        raise
    except RuntimeError as error:
        # What torch makes of an error of the file that it writes to.
        cause = error.__context__
        if isinstance(cause, OSError) and cause.errno in DISK_FAULTS:
            raise NotWritten.because(path, cause) from error
        raise
