"""The training data of a data set: clean photographs, or pairs."""

import os
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from benchmark.core.errors import UserError
from benchmark.core.image_io import image_size
from benchmark.core.paths import shown, where_the_data_come_from
from benchmark.data.card_checks import raise_faults
from benchmark.data.cards import TrainSplit, find_pairs, load_card
from benchmark.spec.method import ALL_WEATHERS


def training_source(
    name: str, weathers: Sequence[str] = ALL_WEATHERS
) -> list[Path] | list[tuple[Path, Path]]:
    """The training data of a set: clean photographs, or its (input, target) pairs of `weathers`.

    Raises UserError if there are none, or if the target of an input is missing.
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
    missing = sorted({target for _, target in found if not os.path.isfile(target)})
    raise_faults(name, {"missing files": [f"{shown(target)} is missing" for target in missing]})
    return found


def check_training(name: str, weathers: Sequence[str]) -> None:
    """Raise UserError unless a set has training data and each pair has two images of one size.

    Only the headers of the images are read.
    """
    source = training_source(name, weathers)
    if not isinstance(source[0], tuple):
        return
    faults = []
    for pair in source:
        sizes = [image_size(path) for path in pair]
        if sizes[0] != sizes[1]:
            named = [f"{shown(p)} ({w}×{h})" for p, (w, h) in zip(pair, sizes, strict=True)]
            faults.append(f"sizes differ: {' and '.join(named)}")
    raise_faults(name, {"pairs of different sizes": faults})


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
            f"config/datasets/{name}.yaml: train: {card.path}/{card.train} matches no file: "
            f"{where_the_data_come_from()}."
        )
    return photos
