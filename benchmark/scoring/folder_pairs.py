"""Pairs the images of a folder with their targets: by name, by a regular expression, by a rule."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmark.core.errors import UserError
from benchmark.core.image_io import image_files
from benchmark.core.image_kinds import COMPARISON, UNCERTAINTY, why_unread
from benchmark.core.paths import shown
from benchmark.results import schema
from benchmark.scoring.score import NO_TARGET, Absent, Pair

NO_RESTORED = Absent(schema.FAILED, "no restored image")


def without_targets(restored: Path) -> list[Pair]:
    """The images of a folder for metrics that need no target. UserError if there is none."""
    return [({"image": stem}, path, NO_TARGET) for stem, path in _images(restored).items()]


def by_stem(restored: Path, target: Path) -> list[Pair]:
    """Images whose file names are the same up to the suffix. UserError if there is none."""
    ours, theirs = _images(restored), _images(target)
    if not ours.keys() & theirs.keys():
        raise UserError(
            f"No image of {str(restored)!r} ({len(ours)}) has the stem of one of {str(target)!r} "
            f"({len(theirs)}). Name restored images like their targets (the suffix may differ), or "
            "say how names pair: --card NAME of a data set, or --pair 'REGEX', whose first group "
            "is the part that both names have."
        )
    return _paired(ours, theirs, {stem: stem for stem in ours}, {stem: stem for stem in theirs})


def by_expression(restored: Path, target: Path, expression: str) -> list[Pair]:
    r"""Images whose names agree in the first group of a regular expression.

    `(\d+)` pairs `1_rain` with `1_clean`; `(im_\d+)` pairs `im_0001_s80_a04` with `im_0001`. It is
    searched for in the names without suffix, from the left. Several images may have one target.
    Raises UserError if it is not an expression with a group, if it gives two targets one key, or if
    nothing pairs.
    """
    try:
        compiled = re.compile(expression)
    except re.error as error:
        raise UserError(f"--pair {expression!r} is not a regular expression ({error}).") from None
    if not compiled.groups:
        raise UserError(rf"--pair {expression!r} has no group. An example: '(\d+)'.")

    def keys(stems: Mapping[str, Path]) -> dict[str, str]:
        return {stem: match[1] for stem in stems if (match := compiled.search(stem)) and match[1]}

    ours, theirs = _images(restored), _images(target)
    own, other = keys(ours), keys(theirs)
    if not set(own.values()) & set(other.values()):
        raise UserError(
            f"--pair {expression!r} pairs nothing: it finds {_some(own.values())} in "
            f"{str(restored)!r} and {_some(other.values())} in {str(target)!r}."
        )
    return _paired(ours, theirs, own, other)


def by_rule(restored: Path, target_of: Callable[[str], Path | None], rule: str) -> list[Pair]:
    """Every image with the target that `target_of` gives for its stem; None if it gives none.

    rule: what it is, for messages. Raises UserError if there is no image or no target is there.
    """
    pairs, ours = [], _images(restored)
    for stem, path in ours.items():
        target = target_of(stem)
        fault = Absent(schema.FAILED, f"the name {path.name!r} does not match {rule}")
        pairs.append(({"image": stem}, path, target or fault))
    if not any(isinstance(target, Path) and target.is_file() for _, _, target in pairs):
        example = next((shown(t) for *_, t in pairs if isinstance(t, Path)), "none of the names")
        raise UserError(f"No image of {str(restored)!r} ({len(ours)}) pairs by {rule}: {example}.")
    return pairs


def unread(folder: Path) -> list[str]:
    """A line for each image of a folder that is of a kind that is not read, such as .jxl."""
    return [f"{path.name}: {why}" for path in sorted(folder.iterdir()) if (why := why_unread(path))]


def _images(folder: Path) -> dict[str, Path]:
    """The images of a folder by stem, without the comparisons and maps of uncertainty of others.

    Raises UserError if there is none.
    """
    if files := image_files(folder):
        beside = {stem + ending for stem in files for ending in (COMPARISON, UNCERTAINTY)}
        return {stem: path for stem, path in files.items() if path.name not in beside}
    hint = "".join(f" {line}." for line in unread(folder)[:1])
    if any(path.is_dir() for path in folder.iterdir()):
        hint += " Images in its sub-folders are not read: name one of these."
    raise UserError(f"The folder {shown(folder)} holds no images.{hint}")


def _paired(
    ours: Mapping[str, Path],
    theirs: Mapping[str, Path],
    own: Mapping[str, str],
    other: Mapping[str, str],
) -> list[Pair]:
    """The pairs with equal keys, and the images that have no partner, sorted by name.

    ours, theirs: files by stem. own, other: keys by stem; a stem may have none.
    """
    targets: dict[str, Path] = {}
    for stem, key in other.items():
        if key in targets:
            names = f"{shown(targets[key])} and {shown(theirs[stem])}"
            raise UserError(f"{names} are both the target of '{key}'. Pair by more of the name.")
        targets[key] = theirs[stem]
    pairs: dict[str, Pair] = {}
    for stem, path in ours.items():
        absent = Absent(schema.FAILED, f"no target for {path.name!r}")
        pairs[stem] = ({"image": stem}, path, targets.get(own.get(stem), absent))
    for stem in other.keys() - {s for s, key in other.items() if key in {*own.values()}}:
        pairs.setdefault(stem, ({"image": stem}, NO_RESTORED, theirs[stem]))
    return [pairs[stem] for stem in sorted(pairs)]


def _some(values) -> str:
    """The first three of some values, as text."""
    listed = sorted(set(values))
    return ", ".join(map(repr, listed[:3])) + (" …" if len(listed) > 3 else "") or "nothing"
