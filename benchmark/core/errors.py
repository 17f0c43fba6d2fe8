"""The one error that is meant for the user's eyes."""

import errno
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

# What the disk says for itself, whichever method was at work.
DISK_FAULTS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}


class UserError(Exception):
    """Something the user can mend. The message names the file or key at fault and says what to do.

    The command line prints it without a traceback and exits with status 1.
    """


class WeightsMissing(UserError):
    """A method or metric needs a weight file that is not there."""


class NotWritten(UserError):
    """The disk is full, or a place cannot be written to: the run stops, no method is at fault."""

    @classmethod
    def because(cls, path: str | Path, error: OSError) -> "NotWritten":
        """The error that an operating system's stands for while `path` was written."""
        return cls(
            f"{path} cannot be written ({error.strerror or error}). Make room or choose a place "
            "that you may write to, and run again: what was finished before is kept."
        )


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for a misspelt name: ' Did you mean ...?' and the known names."""
    known = sorted(known)
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    return f"{hint} Known: {', '.join(known) or 'none'}."
