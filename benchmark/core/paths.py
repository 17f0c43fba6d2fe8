"""Where the repository is, and how names of files are printed and checked."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 255, 4000  # bytes: the longest name and the longest path that file systems allow


def shown(path: Path) -> str:
    """A path for a message: quoted, with unusual characters escaped.

    A path below the working directory is shown relative to it: tables may quote a message, and they
    must not contain paths of one machine. A table's own paths are made by `from_root`.
    """
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return repr(str(path))


def from_root(path: Path) -> str:
    """A path for a table: not quoted; relative to the repository if it is below it.

    Messages use `shown`.
    """
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def is_utf8(name: str) -> bool:
    """Whether a file's name is valid UTF-8, so that a table can hold it."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def fits_files(name: str) -> bool:
    """Whether file systems allow a name, or a path: no zero byte, not too long."""
    sizes = [len(part.encode("utf-8", "replace")) for part in name.split("/")]
    return "\0" not in name and max(sizes) <= LONGEST[0] and sum(sizes) <= LONGEST[1]
