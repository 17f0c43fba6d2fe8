"""Checks of a data set. Each returns all the faults that it finds, grouped by kind."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from benchmark.core.paths import is_utf8, shown
from benchmark.data.file_index import Facts
from benchmark.data.pairing import Pair

SHOWN_FAULTS = 20
Faults = dict[str, list[str]]  # messages by kind of fault


def find_wrong_numbers_and_names(
    split: str, found: dict[str, list[Pair]], expected: int | None
) -> Faults:
    """Another number of images than `expected`, and names that two images have or that are not
    UTF-8, so that no table can hold them.

    found: the pairs of each weather. A split without images has no wrong number.
    """
    twice, undecodable = [], []
    for weather, pairs in found.items():
        count = Counter(pair.name for pair in pairs)
        twice += [f"{n} {weather} images are called '{s}'" for s, n in count.items() if n > 1]
        names = [pair.input.name for pair in pairs]
        undecodable += [f"the name of {n!r} is not valid UTF-8" for n in names if not is_utf8(n)]
    count = sum(map(len, found.values()))
    number = []
    if count and expected not in (None, count):
        number.append(f"{count} of the {expected} images of split '{split}' are there")
    return {"wrong numbers": number, "repeated names": twice, "names not in UTF-8": undecodable}


def find_missing_and_unequal(pairs: Iterable[Pair], facts: dict[Path, Facts]) -> Faults:
    """Targets that are missing, files that are not images, and pairs of different sizes."""
    missing, sizes = set(), []
    for _, _, source, target in pairs:
        if target is None:
            continue
        if target not in facts:
            missing.add(target)
            continue
        one, other = facts[source], facts[target]
        if one.fault or other.fault or (one.height, one.width) == (other.height, other.width):
            continue
        sizes.append(
            f"{shown(source)} has {one.width}×{one.height} pixels, its target "
            f"{other.width}×{other.height}"
        )
    return {
        "missing files": [f"{shown(path)} is missing" for path in sorted(missing)],
        "unreadable files": [fact.fault for fact in facts.values() if fact.fault],
        "pairs of different sizes": sizes,
    }


def content_checksum(folder: Path, facts: dict[Path, Facts]) -> str:
    """SHA-256 of the sorted lines 'CHECKSUM  PATH' of files; paths are relative to `folder`."""
    lines = sorted(
        f"{fact.sha256}  {path.relative_to(folder).as_posix()}\n" for path, fact in facts.items()
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()
