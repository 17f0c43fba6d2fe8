"""The images of a data set: finds them by the patterns of its card, and lists and checks them."""

import os
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from benchmark.core.errors import UserError
from benchmark.core.paths import from_root
from benchmark.data import pairing, set_manifest
from benchmark.data.card_checks import (
    SHOWN_FAULTS,
    Faults,
    content_checksum,
    find_missing_and_unequal,
    find_wrong_numbers_and_names,
)
from benchmark.data.card_settings import DatasetCard, Split, TrainSplit
from benchmark.data.cards import check_choice, load_card, raise_faults
from benchmark.data.file_index import examine
from benchmark.data.pairing import Pair
from benchmark.results.tables import IMAGES
from benchmark.spec.run_config import Config, DatasetChoice


def find_images(config: Config) -> pd.DataFrame:
    """All test images of a run, one row each, with checksums; columns IMAGES.

    Paths below the repository are relative to it. Photographs without ground truth have an empty
    `target`. Raises UserError that lists all faults of a set: a split without images or with
    another number than the card's, an input without target, two inputs with one name, files that
    are not images, an input and a target of different sizes, other content than the card's.
    """
    tables = []
    for name, choice in config.datasets.items():
        card_name = choice.card or name
        card = load_card(card_name)
        check_choice(card_name, card, choice)
        table, faults = list_images(name, card, choice)
        raise_faults(card_name, faults)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def list_images(name: str, card: DatasetCard, choice: DatasetChoice) -> tuple[pd.DataFrame, Faults]:
    """The images that a run's data set `name` chooses (columns IMAGES), and all faults."""
    split, (_, levels) = card.splits[choice.split], set_manifest.read(card.folder, card.manifest)
    weathers = choice.weathers or card.weathers
    found = {weather: find_pairs(card, split, weather) for weather in weathers}
    faults = {
        "weathers without images": [
            f"no {weather} image matches {card.folder}/{split.input_of(weather)}"
            for weather, pairs in found.items()
            if not pairs
        ]
    }
    all_weathers = found.keys() == set(card.weathers)
    faults |= find_wrong_numbers_and_names(
        choice.split, found, card.pairs.get(choice.split) if all_weathers else None
    )
    found = {weather: pairs[: choice.limit] for weather, pairs in found.items()}
    pairs = [pair for pairs in found.values() for pair in pairs]
    paths = sorted(path for path in _files(pairs) if os.path.exists(path))
    facts = examine(paths, name)
    faults |= find_missing_and_unequal(pairs, facts)
    stated = card.content.get(choice.split)
    complete = all_weathers and not choice.limit
    if stated and complete and stated != content_checksum(card.folder, facts):
        faults["changed splits"] = [
            f"the files of split '{choice.split}' are not those of the card's checksum"
        ]
    first = {photo: group[0] for group in card.same_photo for photo in group}
    rows = []
    for weather, pairs in found.items():
        for pair in pairs:
            row = {
                "dataset": name,
                "weather": weather,
                "image": pair.name,
                "photo": first.get(pair.photo, pair.photo),
                "strength": levels.get(pair.input.relative_to(card.folder).as_posix(), ""),
            }
            for role, path in (("input", pair.input), ("target", pair.target)):
                known = path in facts
                row[role] = from_root(path) if known else ""
                row[f"{role}_sha256"] = facts[path].sha256 if known else ""
            rows.append(row)
    return pd.DataFrame(rows, columns=list(IMAGES)), faults


def split_checksum(name: str, split: str) -> str:
    """The checksum of a split's files, for the card's `content`."""
    card = load_card(name)
    pairs = [p for weather in card.weathers for p in find_pairs(card, card.splits[split], weather)]
    return content_checksum(card.folder, examine(sorted(_files(pairs)), name))


def find_pairs(card: DatasetCard, split: Split, weather: str) -> list[Pair]:
    """The pairs of a split's weather, sorted by the path of the input."""
    return pairing.find_pairs(card.folder, split.input_of(weather), split.target_of(weather))


def _files(pairs: Iterable[Pair]) -> set[Path]:
    return {path for pair in pairs for path in (pair.input, pair.target) if path}


def left_out(name: str, split: str) -> list[str]:
    """A line for each image beside the inputs of a split that no pattern of the card matches.

    One that cannot be read at all, such as a .jxl, has the reason with it. At most SHOWN_FAULTS,
    then the number of the others.
    """
    card = load_card(name)
    splits = [*card.splits.values()]
    known = set()
    if isinstance(card.train, TrainSplit):
        splits.append(card.train)
    elif card.train:
        known.update(card.folder.glob(card.train))
    for part in splits:
        for weather in card.weathers:
            known |= _files(find_pairs(card, part, weather))
    patterns = [card.splits[split].input_of(weather) for weather in card.weathers]
    lines = pairing.left_out(card.folder, patterns, known)
    more = len(lines) - SHOWN_FAULTS
    lines[SHOWN_FAULTS:] = [f"{more} more"] if more > 0 else []
    return [f"{name} {split}: no pattern of the card matches {line}: left out" for line in lines]


def target_of(name: str, split: str | None, image: str) -> Path | None:
    """The target of an image by its name, from the patterns of a card; None if none matches.

    image: the name in images.csv, which a restored file has too; of a set without scene folders
    the stem of the input. split: the first of the card if None. The file need not be there.
    """
    card = load_card(name)
    chosen = split or next(iter(card.splits))
    check_choice(name, card, DatasetChoice(split=chosen))
    part = card.splits[chosen]
    if part.target is None:
        raise UserError(f"Split '{chosen}' of data set '{name}' has no targets.")
    for weather in card.weathers:
        patterns = part.input_of(weather), part.target_of(weather)
        if found := pairing.target_of_name(*patterns, image):
            return next(iter(sorted(card.folder.glob(found))), card.folder / found)
    return None


def image_counts(name: str, choice: DatasetChoice) -> dict[str, tuple[int, Path | None]]:
    """The number of images of each weather in a run's data set, and the path of one of them.

    Images are counted on disk. If the set is not there, each weather has an equal part of the
    number on the card, and no image.
    """
    card = load_card(choice.card or name)
    weathers, split = choice.weathers or card.weathers, card.splits[choice.split]
    counts = {}
    for weather in weathers:
        pairs = find_pairs(card, split, weather)
        count = len(pairs) or card.pairs.get(choice.split, 0) // len(card.weathers)
        counts[weather] = min(count, choice.limit or count), pairs[0].input if pairs else None
    return counts
