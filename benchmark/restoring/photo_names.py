"""Which photos a call restores, and the names of their results."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.core.errors import UserError
from benchmark.core.image_kinds import COMPARISON, UNCERTAINTY
from benchmark.core.paths import shown
from benchmark.restoring.photo_formats import (
    USUAL_SUFFIX,
    WRITTEN,
    header,
    is_photo,
    refuse_unreadable,
    unsupported,
)

SAME = "same"  # the result has the format of the photo
RESTORED = "-restored"  # ends the stem of a result that lies beside its photo


@dataclass(frozen=True)
class Output:
    """A photo, the file for its restoration, and the files for the comparison and for the map of
    its uncertainty, if they are made."""

    photo: Path
    restored: Path
    comparison: Path | None = None
    uncertainty: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        return tuple(filter(None, (self.restored, self.comparison, self.uncertainty)))


@dataclass
class Found:
    """The photos at some paths.

    photos: each with the sub-folder that it has below the folder that was named. left_out: what
    else the folders hold, each with the reason.
    """

    photos: dict[Path, Path] = field(default_factory=dict)
    left_out: dict[Path, str] = field(default_factory=dict)


def find_photos(paths: Iterable[Path], out: Path | None = None, recursive: bool = False) -> Found:
    """The photos at these paths, and those in folders; each once.

    A file that is named is a photo, whatever it is. In a folder, a photo is told by its suffix,
    also if it cannot be read. Hidden files, the folder `out` and results of earlier calls
    (`-restored`, `-compare`, `-uncertainty`) are no photos. recursive: also look into sub-folders.
    Raises UserError for a path that does not exist, a folder without photos, and if it is plain
    that none of the photos can be read (`refuse_unreadable`).
    """
    found = Found()
    for path in paths:
        if path.is_dir():
            inside = Found()
            for file in _files(path, out, recursive):
                if reason := _no_photo(file):
                    inside.left_out[file] = reason
                else:
                    inside.photos[file] = file.parent.relative_to(path)
            if not inside.photos:
                raise UserError(f"The folder {shown(path)} holds no images.{_hint(inside)}")
            found.photos |= inside.photos
            found.left_out |= inside.left_out
        elif path.exists():
            found.photos.setdefault(path, Path())
        else:
            raise UserError(f"There is no photo or folder {shown(path)}. Check the path.")
    spellings: dict[str, Path] = {}
    for photo in found.photos:
        spellings.setdefault(os.path.abspath(photo), photo)
    found.photos = {photo: found.photos[photo] for photo in spellings.values()}
    _refuse_if_none_is_read(found.photos)
    return found


def outputs(
    found: Found, out: Path | None, kind: str, compare: bool, uncertainty: bool = False
) -> list[Output]:
    """The files to write for each photo: `out/STEM.KIND` and, if `compare`,
    `out/STEM-compare.jpg`, and if `uncertainty`, `out/STEM-uncertainty.png`; photos of sub-folders
    go to the same sub-folders of `out`.

    out: None for the photo's own folder. A result in the photo's own folder is named
    `STEM-restored.KIND`. kind: a suffix without the dot, or `same` for that of the photo. Photos
    that differ only in their suffix have it in the names of their results (`1-jpg.png`). Raises
    UserError if a result would overwrite another result or a photo.
    """
    endings = tuple([COMPARISON] * compare + [UNCERTAINTY] * uncertainty)
    wanted = {photo: _output(photo, sub, out, kind, endings) for photo, sub in found.photos.items()}
    uses = Counter(file.resolve() for output in wanted.values() for file in output.files)
    for photo, output in wanted.items():
        if any(uses[file.resolve()] > 1 for file in output.files):
            wanted[photo] = _output(photo, found.photos[photo], out, kind, endings, distinct=True)
    _refuse_overwriting(wanted.values())
    return list(wanted.values())


def without_existing(
    results: list[Output], skip_existing: bool, overwrite: bool
) -> tuple[list[Output], list[Output]]:
    """The results to make, and those that are there and are kept.

    skip_existing: keep a restoration that is there. overwrite: make all again. Raises UserError if
    a file is there and neither was asked for: another method may have made it.
    """
    if overwrite:
        return results, []
    there = [output for output in results if any(file.exists() for file in output.files)]
    if skip_existing:
        kept = [output for output in there if output.restored.exists()]
        return [output for output in results if output not in kept], kept
    if there:
        first = next(file for file in there[0].files if file.exists())
        more = f" and {len(there) - 1} more results" if len(there) > 1 else ""
        raise UserError(
            f"{shown(first)}{more} exist: keep them with --skip-existing, replace them with "
            "--overwrite, or choose another --out."
        )
    return results, []


def _files(folder: Path, out: Path | None, recursive: bool) -> Iterator[Path]:
    """The files of a folder in order, without hidden ones; sub-folders themselves if they are not
    entered."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if not path.is_dir():
            yield path
        elif recursive and not (out and path.resolve() == out.resolve()):
            yield from _files(path, out, recursive)
        elif not recursive:
            yield path


def _refuse_if_none_is_read(photos: Iterable[Path]) -> None:
    """Raise the UserError of the first photo if `refuse_unreadable` refuses all of them."""
    faults = []
    for photo in photos:
        try:
            refuse_unreadable(photo)
        except UserError as error:
            faults.append(error)
        else:
            return
    if faults:
        raise faults[0]


def _no_photo(path: Path) -> str:
    """Why a path of a folder is not taken as a photo; empty if it is."""
    if path.is_dir():
        return "a folder, entered with --recursive"
    if path.stem.endswith(RESTORED) or path.name.endswith((COMPARISON, UNCERTAINTY)):
        return "a result of an earlier call"
    return "" if is_photo(path) else unsupported(path) or "not an image"


def _hint(inside: Found) -> str:
    kinds = dict.fromkeys(f" {why}." for path in inside.left_out if (why := unsupported(path)))
    folders = any(path.is_dir() for path in inside.left_out)
    return "".join(kinds) + (" It has sub-folders: add --recursive." if folders else "")


def _output(
    photo: Path,
    sub: Path,
    out: Path | None,
    kind: str,
    endings: tuple[str, ...],
    distinct: bool = False,
) -> Output:
    """endings: of the further files."""
    folder = photo.parent if out is None else out / sub
    stem = f"{photo.stem}-{photo.suffix[1:]}" if distinct and photo.suffix else photo.stem
    suffix = _own_suffix(photo) if kind == SAME else f".{kind}"
    beside = folder.resolve() == photo.parent.resolve()
    restored = folder / f"{stem}{RESTORED if beside else ''}{suffix}"
    further = {ending: folder / (stem + ending) for ending in endings}
    return Output(photo, restored, further.get(COMPARISON), further.get(UNCERTAINTY))


def _own_suffix(photo: Path) -> str:
    """A photo's suffix, or the usual one of its format if files with its own are not written."""
    if photo.suffix.lower() in WRITTEN:
        return photo.suffix
    found = header(photo)
    return USUAL_SUFFIX.get(found.format, photo.suffix) if found else photo.suffix


def _refuse_overwriting(results: Iterable[Output]) -> None:
    results = list(results)
    inputs = {output.photo.resolve() for output in results}
    photo_of: dict[Path, Path] = {}
    for output in results:
        for file in output.files:
            if file.resolve() in inputs:
                raise UserError(f"{shown(file)} is a photo to restore: choose another --out.")
            other = photo_of.setdefault(file.resolve(), output.photo)
            if other is not output.photo:
                raise UserError(
                    f"{shown(other)} and {shown(output.photo)} would both become {shown(file)}: "
                    "rename one of them, or restore them to different folders."
                )
