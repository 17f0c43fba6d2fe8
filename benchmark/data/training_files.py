"""What a data set has to train on: clean photographs, or pairs of its own."""

import os
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from benchmark.core.errors import UserError
from benchmark.core.image_io import image_size
from benchmark.core.paths import from_root
from benchmark.data.card_checks import refuse
from benchmark.data.cards import TrainSplit, find_pairs, load_card
from benchmark.spec.method import ALL_WEATHERS


def training_source(
    name: str, weathers: Sequence[str] = ALL_WEATHERS
) -> list[Path] | list[tuple[Path, Path]]:
    """What a set has to train on: clean photographs, or its (input, target) pairs of `weathers`.

    Raises UserError if there is none, or if an input lacks its target.
    """
    card = load_card(name)
    if not isinstance(card.train, TrainSplit):
        return training_photos(name)
    found, wanted = [], [w for w in card.weathers if w in weathers]
    for weather in wanted:
        found += [(source, target) for _, source, target in find_pairs(card, card.train, weather)]
    left_out = card.train.without
    found = [pair for pair in found if not any(fnmatch(pair[0].name, p) for p in left_out)]
    if not found:
        raise UserError(
            f"config/datasets/{name}.yaml: train: no pair of {', '.join(weathers)} below "
            f"{card.path}. Set 'path' to where the set lies."
        )
    missing = sorted({target for _, target in found if not os.path.isfile(target)})
    refuse(name, {"missing": [f"{from_root(target)} is missing" for target in missing]})
    return found


def check_training(name: str, weathers: Sequence[str]) -> None:
    """Raise UserError unless a set has something to train on and its pairs' sizes agree.

    Only the images' headers are read.
    """
    source = training_source(name, weathers)
    if not isinstance(source[0], tuple):
        return
    faults = []
    for pair in source:
        sizes = [image_size(path) for path in pair]
        if sizes[0] != sizes[1]:
            named = [f"{from_root(p)} ({w}×{h})" for p, (w, h) in zip(pair, sizes, strict=True)]
            faults.append(f"sizes differ: {' and '.join(named)}")
    refuse(name, {"of different sizes": faults})


def training_photos(name: str) -> list[Path]:
    """The clean photographs that are trained on: those of a set's `train` pattern, or the targets
    of its pairs; sorted."""
    card = load_card(name)
    if card.train is None:
        raise UserError(f"config/datasets/{name}.yaml has no 'train' pattern of clean photographs.")
    if isinstance(card.train, TrainSplit):
        return sorted({target for _, target in training_source(name)})
    photos = sorted(card.folder.glob(card.train))
    if not photos:
        raise UserError(
            f"config/datasets/{name}.yaml: train: {card.path}/{card.train} matches no file. Run "
            "'dvc pull' and try again."
        )
    return photos
