"""Where the repository is, and how names of files are printed and checked."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 255, 4000  # bytes of a name and of a path, which file systems take


def shown(path: Path) -> str:
    """A path as messages print it: quoted, odd characters escaped, below the working directory
    relative, so that tables that quote a message hold no machine's paths."""
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return repr(str(path))


def from_root(path: Path) -> str:
    """A path as tables and messages have it: relative to the repository if it lies there."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def is_utf8(name: str) -> bool:
    """Whether a file's name can be written to a table."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def fits_files(name: str) -> bool:
    """Whether a file system takes a name, or a path."""
    sizes = [len(part.encode("utf-8", "replace")) for part in name.split("/")]
    return "\0" not in name and max(sizes) <= LONGEST[0] and sum(sizes) <= LONGEST[1]
