"""Writes files and folders so that they are whole or absent, even if the program is killed."""

import fcntl
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cache
from pathlib import Path

from benchmark.core.errors import NotWritten, is_disk_fault
from benchmark.core.swap import swap

PARTIAL = ".partial-"
SET_ASIDE = f"{PARTIAL}old-"  # and the name of the folder that is being replaced


def atomic_path(path: str | Path) -> AbstractContextManager[Path]:
    """A context that gives a temporary path beside `path` and moves it there at its end.

    A reader sees the old file or the new one, never a part of one. An error, Ctrl-C or a kill
    leaves the old file as it was. The temporary name keeps the suffix, because writers choose a
    format by it. If a process is killed, its temporary file is removed by the next process that
    writes into the folder. Raises NotWritten if the disk is full or the place cannot be written to.
    """
    return _replacement(Path(path), _create_file, os.replace)


def atomic_folder(path: str | Path) -> AbstractContextManager[Path]:
    """A context that gives a temporary folder, which replaces the folder `path` at its end.

    As `atomic_path`. A kill at any moment leaves the whole old or the whole new folder. Where the
    system cannot exchange two folders in one step, a kill may leave the old folder under another
    name; the next process that writes beside it puts it back.
    """
    return _replacement(Path(path), _create_folder, _replace_folder)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8, atomically.

    Half a character (a lone surrogate, from a damaged file) has no UTF-8: it is written as an
    escape, as JSON and Python write it.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


@contextmanager
def _replacement(
    path: Path, create: Callable[[Path], int], replace: Callable[[Path, Path], None]
) -> Iterator[Path]:
    """Give a new temporary beside `path`, locked while it is written; replace `path` by it.

    The temporary's name is known before it exists, so that Ctrl-C at any line removes it.
    """
    with _naming_disk_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        temporary, lock = _name_beside(path), None
        try:
            try:
                lock = create(temporary)
                while not _is_own(lock, temporary):
                    os.close(lock)
                    temporary, lock = _name_beside(path), None
                    lock = create(temporary)
                yield temporary
                # A library may have put a private file in its place (safetensors does).
                temporary.chmod(stat.S_IMODE(os.fstat(lock).st_mode))
                replace(temporary, path)
            finally:
                _remove(temporary)
        finally:
            _remove(temporary)  # again: Ctrl-C may have stopped the first removal
            if lock is not None:
                os.close(lock)


def _name_beside(path: Path) -> Path:
    return path.with_name(f"{PARTIAL}{secrets.token_hex(8)}{path.suffix}")


def _create_file(temporary: Path) -> int:
    """Create an empty file; returns a descriptor to lock it by."""
    return os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)


def _create_folder(temporary: Path) -> int:
    """Create an empty folder; returns a descriptor to lock it by."""
    temporary.mkdir()
    return os.open(temporary, os.O_RDONLY)


def _is_own(lock: int, temporary: Path) -> bool:
    """Lock a new temporary. False if another process took it for a leftover and removed it before.

    Waits while that process removes it. Where files cannot be locked, nothing is taken.
    """
    with suppress(OSError):
        fcntl.flock(lock, fcntl.LOCK_EX)
    return temporary.exists()


def _replace_folder(temporary: Path, path: Path) -> None:
    """Put the folder `temporary` in the place of `path`."""
    if not os.path.lexists(path):
        temporary.rename(path)
    elif not swap(temporary, path):
        _exchange_in_three_steps(temporary, path)


def _exchange_in_three_steps(temporary: Path, path: Path) -> None:
    """Exchange two folders where the system has no call for that.

    Between the first and the second step there is no folder `path`. The old folder is locked
    meanwhile, so that no other process puts it back.
    """
    old = path.with_name(SET_ASIDE + path.name)
    lock = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        _put_back(old)
        try:
            path.rename(old)
            temporary.rename(path)
            old.rename(temporary)
        finally:
            _put_back(old)
    finally:
        _put_back(old)  # again: Ctrl-C may have stopped the first call
        os.close(lock)


def _put_back(old: Path) -> None:
    """Give a folder that was set aside its name again, or remove it if the new one is there."""
    path = old.with_name(old.name.removeprefix(SET_ASIDE))
    if not os.path.lexists(old):
        return
    if not os.path.lexists(path):
        old.rename(path)
        return
    # Renamed first: a kill during the removal must leave nothing that looks like a whole folder.
    old = old.rename(_name_beside(path))
    _remove(old)


@cache
def _sweep(folder: Path) -> None:
    """Clear up what killed processes left in a folder: the temporaries that nobody has locked."""
    for leftover in folder.glob(f"{PARTIAL}*"):
        with suppress(OSError):
            lock = os.open(leftover, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if leftover.name.startswith(SET_ASIDE):
                    _put_back(leftover)
                else:
                    _remove(leftover)
            finally:
                os.close(lock)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _naming_disk_faults(path: Path) -> Iterator[None]:
    """If the disk refuses a write to `path`, raise NotWritten, which names the path."""
    try:
        yield
    except OSError as error:
        at = Path(os.fsdecode(error.filename)) if error.filename else path
        # Only the system's errors have a number: Pillow raises OSError for a damaged image too.
        if error.errno and (path.is_relative_to(at) or at.is_relative_to(path.parent)):
            raise NotWritten.because(path, error) from error
        raise
    except RuntimeError as error:
        # torch raises RuntimeError while it handles an error of the file that it writes to.
        cause = error.__context__
        if is_disk_fault(cause):
            raise NotWritten.because(path, cause) from error
        raise
