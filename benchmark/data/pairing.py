"""Which input belongs to which target, by the patterns of a card."""

import glob
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from benchmark.core.image_io import SUFFIXES
from benchmark.core.image_kinds import why_unread

BRACES = re.compile(r"\{(\w+)\}")
TOKENS = re.compile(r"(\{\w+\}|\*)")


class Pair(NamedTuple):
    """An input with its target, None if there is none. name: of the image. photo: of the scene."""

    name: str
    photo: str
    input: Path
    target: Path | None


def find_pairs(folder: Path, pattern: str, target: str | None) -> list[Pair]:
    """The pairs below a folder whose input matches a pattern, sorted by the path of the input.

    pattern, target: as in a card's split, `{weather}` filled in. A suffix may be in any case. An
    image is named by its file's stem; if the pattern has names in braces in its folders, their
    values come before it, as in `scene1-degraded-000`.
    """
    found, expression = [], expression_of(pattern)
    folders = set(BRACES.findall(str(PurePosixPath(pattern).parent)))
    for path in sorted(folder.glob(glob_of(pattern))):
        match = expression.fullmatch(path.relative_to(folder).as_posix())
        if not match or path.suffix.lower() not in SUFFIXES:
            continue
        values = match.groupdict()
        name = "-".join([*(v for k, v in values.items() if k in folders), path.stem])
        other = _in_any_case(folder / fill_in(target, values)) if target else None
        found.append(Pair(name, values.get("photo", name), path, other))
    return found


def expression_of(pattern: str) -> re.Pattern:
    """The regular expression of a pattern. A name in braces or `*` is a part without "/"; a name
    that comes twice stands for the same text. The suffix may be in any case.
    """
    seen, parts = set(), []
    for part in TOKENS.split(pattern):
        name = BRACES.fullmatch(part)
        if name and name[1] in seen:
            parts.append(f"(?P={name[1]})")
        elif name:
            seen.add(name[1])
            parts.append(f"(?P<{name[1]}>[^/]+)")
        else:
            parts.append("[^/]+" if part == "*" else _any_suffix_case(part, re.escape))
    return re.compile("".join(parts))


def glob_of(pattern: str) -> str:
    """The pattern for `Path.glob` that finds at least the paths of `expression_of`."""
    return "".join(
        "*" if TOKENS.fullmatch(part) else _any_suffix_case(part, glob.escape)
        for part in TOKENS.split(pattern)
    )


def _any_suffix_case(text: str, escape) -> str:
    """Escaped text in which the letters of an image's suffix at the end match in both cases."""
    suffix = PurePosixPath(text if text[:1] != "." else f"x{text}").suffix
    if suffix.lower() not in SUFFIXES:
        return escape(text)
    letters = "".join(f"[{letter.lower()}{letter.upper()}]" for letter in suffix[1:])
    return escape(text[: -len(suffix)]) + escape(".") + letters


def fill_in(pattern: str, values: dict[str, str]) -> str:
    """A pattern with the values of its names in braces. `str.format` would allow more than that."""
    return BRACES.sub(lambda part: values[part[1]], pattern)


def _in_any_case(path: Path) -> Path:
    """The path itself, or a file beside it whose suffix is in the other case."""
    cases = (path, path.with_suffix(path.suffix.lower()), path.with_suffix(path.suffix.upper()))
    return next((case for case in cases if case.exists()), path)


def left_out(folder: Path, patterns: Iterable[str], known: Iterable[Path]) -> list[str]:
    """Images in the folders of input patterns that are in no pair, with the reason if not read.

    known: the inputs and targets of all pairs of the set.
    """
    known = set(known)
    return [
        path.relative_to(folder).as_posix() + (f" ({why})" if (why := why_unread(path)) else "")
        for path in sorted(set(_images_in_folders(folder, patterns)) - known)
    ]


def _images_in_folders(folder: Path, patterns: Iterable[str]) -> Iterator[Path]:
    for parent in {glob_of(str(PurePosixPath(pattern).parent)) for pattern in patterns}:
        for place in [folder] if parent == "." else folder.glob(parent):
            if place.is_dir():
                yield from (
                    path
                    for path in place.iterdir()
                    if path.suffix.lower() in SUFFIXES or why_unread(path)
                )


def target_of_name(pattern: str, target: str, name: str) -> str | None:
    """The path of the target for the name of an image (or of its restored file), by patterns.

    None if the name does not match. `*/{photo}_s{streaks}_a{veil}.png` and `gt/{photo}.png` give
    `gt/im_0001.png` for `im_0001_s80_a04`. A suffix that the name does not tell is "*".
    """
    path = PurePosixPath(pattern)
    folders = dict.fromkeys(BRACES.findall(str(path.parent)))
    names = "-".join([*(f"{{{folder}}}" for folder in folders), path.stem])
    match = expression_of(names).fullmatch(name)
    values = {"suffix": "*", **match.groupdict()} if match else {}
    return fill_in(target, values) if values.keys() >= {*BRACES.findall(target)} and match else None
