"""Where the project and the package are, and how names of files are printed and checked.

The *package* is what a user installs: the code, the configurations, the reference weights. The
*project* is the folder with the data, the results and what a user adds. A checkout is both.
"""

import os
from pathlib import Path

from benchmark.core.environment import DATA, PROJECT

# benchmark/, methods/, config/, workflow/: a checkout, or site-packages/unweather/.
CODE = Path(__file__).resolve().parents[2]
DATA_MARKS = ("data.dvc", "data/manifest.json")


def _project() -> Path:
    """The project: as named; or a checkout that runs its own code; or the nearest folder, from the
    working directory upwards, with the bundled data; or the working directory."""
    if named := os.environ.get(PROJECT):
        return Path(named).resolve()
    if (CODE / "data.dvc").exists():
        return CODE
    here = Path.cwd()
    marked = (f for f in (here, *here.parents) if any((f / mark).exists() for mark in DATA_MARKS))
    return next(marked, here)


ROOT = _project()
LONGEST = 255, 4000  # bytes: the longest name and the longest path that file systems allow


def packaged(path: str) -> tuple[Path, ...]:
    """A path of the package, as a tuple to look through after the project; none in a checkout."""
    return () if ROOT == CODE else (CODE / path,)


def find(path: str | Path) -> Path:
    """A file by its path from the working directory, the project or the package, in this order.

    Where none of them has it, the path itself.
    """
    places = (Path(path), from_here(ROOT / path), *packaged(str(path)))
    return next((place for place in places if place.exists()), Path(path))


def in_project(path: str) -> Path:
    """A path of the project; `data` and what is below it are in the folder that --data names."""
    folder = os.environ.get(DATA)
    if folder and Path(path).parts[:1] == ("data",):
        return Path(folder).resolve().joinpath(*Path(path).parts[1:])
    return ROOT / path


def weight_file(path: str) -> Path:
    """A weight file of the project or, if it is only there, of the package; which may be missing.

    path: from the project folder, such as `data/weights/reference/unet-0.safetensors`.
    """
    places = (in_project(path), *packaged(path))
    return next((place for place in places if place.exists()), places[0])


def results() -> Path:
    """The folder of runs, in the project."""
    return from_here(ROOT / "results")


def where_the_data_come_from() -> str:
    """What to do if the bundled data are missing, for messages."""
    if ROOT == CODE:
        return "run 'dvc pull'"
    return (
        "they come with the repository, not with the package: name a clone in which they were "
        "pulled by --project, or its folder data/ by --data"
    )


def from_here(path: Path) -> Path:
    """A path relative to the working directory if it is below it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


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
