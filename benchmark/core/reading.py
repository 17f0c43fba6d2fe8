"""One place that turns whatever goes wrong while a file is read into an error for the user."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmark.core.errors import UserError

MOST_TEXT = 2**28  # bytes: a longer text is no configuration, card or table of settings


def regular(path: Path, most: int | None = None) -> Path:
    """The path, unchanged. Call it before a file is opened: pipes and devices may never end.

    most: the largest size, in bytes. Raises ValueError for a pipe, a socket, a device and a file
    that is too large, and OSError if the file is not there.
    """
    status = os.stat(path)
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise ValueError("it is a pipe, a socket or a device, not a regular file")
    if most is not None and status.st_size > most:
        raise ValueError(f"it has {status.st_size} bytes, more than {most}")
    return path


def read_text(path: Path) -> str:
    """The text of a UTF-8 file. Raises as `regular` and `Path.read_text`."""
    return regular(path, MOST_TEXT).read_text(encoding="utf-8")


@contextmanager
def reading(file: str | Path, kind: str, remedy: str) -> Iterator[None]:
    """Inside, every error becomes a UserError that names the file and says what to do.

    file: the file's name, as the message shows it. kind: what the file should be, e.g. "valid JSON"
    or "a readable CSV". remedy: what the user can do, an imperative such as "collect the run
    again". Keep the block to the call of the parser: an error of the suite's own code would be
    reported as a damaged file. UserError and MemoryError pass unchanged.

        with reading(path, "a readable CSV", "collect the run again"):
            table = pd.read_csv(path)
    """
    try:
        yield
    except (UserError, MemoryError):
        raise
    except FileNotFoundError as error:
        raise UserError(f"{file} is missing; {remedy}.") from error
    except PermissionError as error:
        # Without the remedy: it may replace the file, with which nothing is wrong.
        raise UserError(
            f"{file} cannot be read: {error.strerror}; make it readable for your user."
        ) from error
    except Exception as error:
        # Only the system's errors have a number. Decoders raise OSError for damaged content too.
        if isinstance(error, OSError) and error.errno:
            raise UserError(f"{file} cannot be read: {error.strerror}; {remedy}.") from error
        # Parsers raise many kinds: their own, ValueError (UTF-8, a path with a zero byte, a number
        # of thousands of digits), RecursionError (thousands of nested brackets), KeyError.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{file} is not {kind} ({reason}); {remedy}.") from error
