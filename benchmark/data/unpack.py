"""Unpacks zip and tar archives that are not trusted: only plain files, only below one folder.

Names that lead out of the folder, links, devices, encrypted or repeated members and decompression
bombs are refused before or while they are read. The limits apply to the bytes that are written, not
to the sizes that the archive states.
"""

import bz2
import errno
import gzip
import io
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from benchmark.core.errors import UserError

# Largest ratio of unpacked to packed size. Photographs hardly shrink: Snow100K's zip files of 16 GB
# unpack to about 16 GB, and a PNG of one colour shrinks to a hundredth. Small archives may have any
# ratio.
MAX_RATIO, SMALL = 100, 64 * 2**20
MAX_FILES = 2_000_000
CHUNK = 2**20
# tarfile reads a long name in a header at once; no real name is longer.
MAX_HEADER = 2**20
JUNK = ("__MACOSX", ".DS_Store", "Thumbs.db")
OPENERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
DAMAGED = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError,
    OverflowError,
)  # fmt: skip


@dataclass(frozen=True)
class Limits:
    """The most that an archive may unpack to: bytes and number of files."""

    size: int
    files: int = MAX_FILES

    @classmethod
    def of(cls, archive: Path) -> "Limits":
        return cls(max(SMALL, MAX_RATIO * archive.stat().st_size))


class DamagedArchive(UserError):
    """An archive that is damaged or cut short, or a web page in its place."""


class _Refused(Exception):
    """The archive is refused; the message is the reason."""


def unpack(archive: Path, folder: Path, limits: Limits | None = None) -> int:
    """Unpack `archive` (zip; tar, plain or as gz, bz2, xz) into `folder`; returns how many files.

    `folder` is made if it is missing. Files that are in it are never overwritten. Raises UserError
    with the archive and the member, if: it is not an archive of these kinds, it cannot be read or a
    file not be written, a member is not a plain file or would be outside `folder`, a name comes
    twice, there are more bytes or files than `limits`, or the disk is full; DamagedArchive if it is
    damaged, cut short or a web page. The caller must delete the files that were written before the
    error.
    """
    limits = limits or Limits.of(archive)
    written = count = 0
    try:
        for name, size, source in _members(archive, limits):
            count += 1
            if count > limits.files:
                raise _Refused(f"it has more than {limits.files} files")
            if written + size > limits.size:
                raise _Refused(f"it unpacks to more than {limits.size / 2**20:.0f} MiB")
            target = _target(name, folder)
            if target is None:
                continue
            if size > shutil.disk_usage(folder.parent).free:
                raise UserError(f"The disk is full: {folder} needs {size} bytes for '{name}'.")
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as file, source() as opened:
                written += _copy(opened, file, limits.size - written)
    except FileExistsError as error:
        raise UserError(f"{archive} is refused: '{error.filename}' comes twice.") from None
    except _Refused as error:
        raise UserError(
            f"{archive} is refused: {error}. If you trust it, unpack it yourself."
        ) from None
    except NotImplementedError as error:  # a zip's kind of compression
        raise UserError(
            f"{archive} cannot be unpacked here ({error}). Unpack it yourself into the folder that "
            "the card's 'path' names."
        ) from error
    except DAMAGED as error:
        if isinstance(error, OSError) and error.errno:  # the system's, not a decoder's
            full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            raise UserError(
                f"{archive} cannot be unpacked: {error.filename or folder}: {error.strerror}."
                f"{' Make room, and try again.' * full}"
            ) from error
        raise DamagedArchive(
            f"{archive} is damaged or cut short ({error}). Download it again."
        ) from error
    return count


def _members(archive: Path, limits: Limits) -> Iterator[tuple[str, int, Callable[[], BinaryIO]]]:
    """(name, size, opener) of every plain file of an archive; refuses anything else but folders."""
    if zipfile.is_zipfile(archive):
        yield from _zip_members(archive)
        return
    with archive.open("rb") as file:
        start = file.read(512)
    first = start.lstrip()[:1]
    if first == b"<":
        raise DamagedArchive(
            f"{archive} is a web page, not an archive: the server sends archives only to browsers. "
            "Download the archive with a browser and give the file with --from."
        )
    if first == b"{":
        raise DamagedArchive(
            f"{archive} is a message of the server, not an archive. Download it again."
        )
    if not start or start.startswith(b"PK\x03\x04"):
        raise DamagedArchive(f"{archive} is cut short. Download it again.")
    opener = next((opener for magic, opener in OPENERS.items() if start.startswith(magic)), open)
    if opener is open and start[257:262] != b"ustar":
        raise UserError(
            f"{archive} is neither a zip nor a tar archive. Unpack it yourself into the folder "
            "that the card's 'path' names."
        )
    yield from _tar_members(opener(archive, "rb"), limits)


def _zip_members(archive: Path) -> Iterator[tuple[str, int, Callable[[], BinaryIO]]]:
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if info.is_dir():
                _target(info.filename, Path())
            elif kind not in (0, stat.S_IFREG):
                raise _Refused(f"'{info.filename}' is a link or a device, not a file")
            elif info.flag_bits & 1:
                raise _Refused(f"'{info.filename}' is encrypted")
            else:
                # info.filename ends at the first zero byte; orig_filename is as stored.
                yield info.orig_filename, info.file_size, lambda info=info: opened.open(info)


def _tar_members(
    stream: BinaryIO, limits: Limits
) -> Iterator[tuple[str, int, Callable[[], BinaryIO]]]:
    headers = limits.files * 1024 + SMALL
    forward = _ForwardStream(stream, limits.size + headers)
    with stream, tarfile.open(fileobj=forward, mode="r:") as opened:
        seen = 0
        while (info := opened.next()) is not None:
            opened.members = []  # otherwise every header stays in memory
            seen += 1
            if seen > limits.files:
                raise _Refused(f"it has more than {limits.files} members")
            if info.isdir():
                _target(info.name, Path())
            elif not info.isreg() or info.issparse():
                raise _Refused(f"'{info.name}' is a link, a device or sparse, not a plain file")
            else:
                yield info.name, info.size, lambda info=info: opened.extractfile(info)


class _ForwardStream(io.RawIOBase):
    """A stream that is read once, from start to end, and at most `limit` bytes of it."""

    def __init__(self, stream: BinaryIO, limit: int) -> None:
        self.stream, self.limit, self.position = stream, limit, 0

    def tell(self) -> int:
        return self.position

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MAX_HEADER:
            raise _Refused("one of its headers is larger than 1 MiB")
        data = self.stream.read(size)
        self.position += len(data)
        if self.position > self.limit:
            raise _Refused(f"it unpacks to more than {self.limit / 2**20:.0f} MiB")
        return data

    def readinto(self, buffer) -> int:
        data = self.read(min(len(buffer), CHUNK))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence != io.SEEK_SET or offset < self.position:
            raise tarfile.ReadError("its members are out of order")
        while self.position < offset:
            if not self.read(min(CHUNK, offset - self.position)):
                raise EOFError("it ends within a member")
        return self.position


def _target(name: str, folder: Path) -> Path | None:
    """The path to which a member is written; None for files that file managers leave behind."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts:
        raise _Refused(f"'{name}' would be outside the folder")
    if "\\" in name or ":" in name or any(ord(sign) < 32 for sign in name):
        raise _Refused(f"'{name!r}' has characters that a file name must not have")
    if any(part in JUNK for part in parts):
        return None
    return folder.joinpath(*parts)


def _copy(source: BinaryIO, file: BinaryIO, limit: int) -> int:
    """Copy at most `limit` bytes, whatever size the archive states; returns their number."""
    copied = 0
    while chunk := source.read(CHUNK):
        copied += len(chunk)
        if copied > limit:
            raise _Refused("it unpacks to more bytes than it states")
        file.write(chunk)
    return copied
