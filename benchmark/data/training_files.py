"""The training data of a data set: clean photographs, or pairs."""

import os
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from benchmark.core.errors import UserError
from benchmark.core.paths import shown
from benchmark.data import set_manifest
from benchmark.data.card_checks import Faults
from benchmark.data.card_settings import TrainSplit
from benchmark.data.cards import load_card, what_to_do
from benchmark.data.file_index import Facts, examine
from benchmark.data.set_images import find_pairs
from benchmark.spec.method import ALL_WEATHERS

Source = list[Path] | list[tuple[Path, Path]]


def training_source(name: str, weathers: Sequence[str] = ALL_WEATHERS) -> Source:
    """The training data of a set: clean photographs, or its (input, target) pairs of `weathers`.

    Raises UserError if there are none. `find_faults` says which cannot be used.
    """
    card = load_card(name)
    if not isinstance(card.train, TrainSplit):
        return training_photos(name)
    found, wanted = [], [w for w in card.weathers if w in weathers]
    for weather in wanted:
        pairs = find_pairs(card, card.train, weather)
        found += [(pair.input, pair.target) for pair in pairs]
    left_out = card.train.without
    found = [pair for pair in found if not any(fnmatch(pair[0].name, p) for p in left_out)]
    if not found:
        raise UserError(
            f"config/datasets/{name}.yaml: train: no pair of {', '.join(weathers)} below "
            f"{card.path}. Set 'path' to the folder of the set."
        )
    return found


def are_there(name: str) -> bool:
    """Whether a set has training data: its card has a pattern, and files match it."""
    try:
        return bool(training_source(name))
    except UserError:
        return False


def find_faults(name: str, weathers: Sequence[str] = ALL_WEATHERS) -> tuple[Faults, set[Path]]:
    """All faults of a set's training data, by kind, and the files that cannot be used.

    Every file is decoded, unless it was examined before and has not changed. Raises UserError if
    the set has no training data at all.
    """
    source = training_source(name, weathers)
    pairs = [pair for pair in source if isinstance(pair, tuple)]
    files = sorted({path for pair in pairs for path in pair} if pairs else source)
    facts = examine(filter(os.path.exists, files), name)
    card = load_card(name)
    checksums, _ = set_manifest.read(card.folder, card.manifest)
    listed = {card.folder / path: sha256 for path, sha256 in checksums.items()}
    if isinstance(card.train, str):
        files += [p for p in listed if p.relative_to(card.folder).match(card.train)]
    missing = sorted({path for path in files if path not in facts})
    damaged = [path for path, fact in facts.items() if fact.fault]
    changed = [
        path
        for path, fact in facts.items()
        if fact.sha256 and fact.sha256 != listed.get(path, fact.sha256)
    ]
    faults = {
        "missing files": [f"{shown(path)} is missing" for path in missing],
        "unreadable files": [facts[path].fault for path in damaged],
        "changed files": [f"{shown(path)} differs from the set's manifest" for path in changed],
        "pairs of different sizes": _different_sizes(pairs, facts),
    }
    return faults, {*missing, *damaged}


def find_unreadable(photos: Sequence[Path], label: str) -> dict[Path, str]:
    """What is wrong with each of the photos that is missing or is no readable image.

    label: of the progress bar.
    """
    facts = examine(filter(os.path.exists, photos), label)
    missing = {path: f"{shown(path)} is missing" for path in photos if path not in facts}
    return missing | {path: fact.fault for path, fact in facts.items() if fact.fault}


def _different_sizes(pairs: list[tuple[Path, Path]], facts: dict[Path, Facts]) -> list[str]:
    found = []
    for pair in pairs:
        known = [facts[path] for path in pair if path in facts and not facts[path].fault]
        if len({(fact.height, fact.width) for fact in known}) > 1:
            named = [
                f"{shown(path)} ({fact.width}×{fact.height})"
                for path, fact in zip(pair, known, strict=True)
            ]
            found.append(f"sizes differ: {' and '.join(named)}")
    return found


def sound_source(name: str, weathers: Sequence[str] = ALL_WEATHERS) -> Source:
    """As `training_source`; raises UserError that begins with the first fault if there are any."""
    faults, _ = find_faults(name, weathers)
    listed = [fault for kind in faults.values() for fault in kind]
    if listed:
        more = f" ({len(listed)} faults in all)" if len(listed) > 1 else ""
        raise UserError(f"{listed[0]}{more}. The training data of '{name}' are not whole.")
    return training_source(name, weathers)


def training_photos(name: str) -> list[Path]:
    """The clean training photographs, sorted: those of the `train` pattern or the targets of pairs.

    Raises UserError if there are none.
    """
    card = load_card(name)
    if card.train is None:
        raise UserError(f"config/datasets/{name}.yaml has no 'train' pattern of clean photographs.")
    if isinstance(card.train, TrainSplit):
        return sorted({target for _, target in training_source(name)})
    photos = sorted(card.folder.glob(card.train))
    if not photos:
        raise UserError(
            f"config/datasets/{name}.yaml: train: {card.folder}/{card.train} matches no file. "
            f"{what_to_do(name)} it."
        )
    return photos
