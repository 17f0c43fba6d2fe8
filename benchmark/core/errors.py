"""The errors whose message is for the user."""

import errno
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

# Errors of the disk itself: no method is at fault.
DISK_FAULTS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}
OUT_OF_MEMORY = ("allocate memory", "out of memory", "insufficient memory")


def is_disk_fault(error: BaseException | None) -> bool:
    """Whether an error is one of the disk itself."""
    return isinstance(error, OSError) and error.errno in DISK_FAULTS


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there is not enough memory, of Python, torch or OpenCV.

    The latter two say so in the text of errors of other kinds.
    """
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(text in said for text in OUT_OF_MEMORY)


def one_line(error: BaseException) -> str:
    """The kind and the text of an error, on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


class UserError(Exception):
    """An error that the user can correct.

    The message names the file or key at fault and says what to do.

    The command line prints it without a traceback and exits with status 1.
    """


class WeightsMissing(UserError):
    """A method or metric needs a weight file that does not exist."""


class NotWritten(UserError):
    """The disk is full, or a place cannot be written to. The run stops; no method is at fault."""

    @classmethod
    def because(cls, path: str | Path, error: OSError) -> "NotWritten":
        """From the operating system's error that a write to `path` raised."""
        return cls(
            f"{path} cannot be written ({error.strerror or error}). Make room or choose a place "
            "that you may write to, and run again: finished results are kept."
        )


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for a misspelt name: ' Did you mean ...?' and the list of known names."""
    known = sorted(known)
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    return f"{hint} Known: {', '.join(known) or 'none'}."
