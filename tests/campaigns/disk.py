"""A small file system for a run, which can be made full or read-only. Linux, as root."""

import errno
import os
import subprocess
from pathlib import Path

MEGABYTES = 64
BLOCK = 4096  # bytes: the page size, in which a tmpfs allocates


class Disk:
    """A tmpfs mounted on an empty folder.

    Raises PermissionError if this process may not mount.
    """

    def __init__(self, folder: Path):
        self.folder, self._filler = folder, folder / ".filler"
        folder.mkdir(parents=True, exist_ok=True)
        _run("mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", str(folder))

    def fill(self, room: int) -> None:
        """Leave `room` bytes free, rounded down to whole blocks."""
        free = os.statvfs(self.folder).f_bavail * BLOCK
        with self._filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, free - room // BLOCK * BLOCK)

    def empty(self) -> None:
        """Free all space again."""
        self._filler.unlink(missing_ok=True)

    def lock(self, locked: bool) -> None:
        """Make the disk read-only (`locked` true) or writable."""
        mode = "ro" if locked else "rw"
        _run("mount", "-o", f"remount,{mode},size={MEGABYTES}m", str(self.folder))

    def close(self) -> None:
        _run("umount", "--lazy", str(self.folder))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise PermissionError(errno.EPERM, done.stderr.strip(), command[0])
