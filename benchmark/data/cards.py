"""Data set cards: where a set's images are, and which target belongs to which input."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
from pydantic import Field

from benchmark.core import validation
from benchmark.core.environment import PROGRAM
from benchmark.core.errors import UserError, nearest
from benchmark.core.paths import (
    ROOT,
    from_root,
    in_project,
    packaged,
    shown,
    where_the_data_come_from,
)
from benchmark.data import card_faults, pairing, set_manifest
from benchmark.data.card_checks import (
    SHOWN_FAULTS,
    Faults,
    content_checksum,
    find_missing_and_unequal,
    find_wrong_numbers_and_names,
)
from benchmark.data.file_index import examine
from benchmark.data.pairing import Pair
from benchmark.results.tables import IMAGES
from benchmark.spec import run_config
from benchmark.spec.method import Settings
from benchmark.spec.run_config import Config

CARDS = ROOT / "config" / "datasets"  # where a user adds or changes cards
PACKAGED = packaged("config/datasets")  # those of an installed package, beside the user's


class Split(Settings):
    """Patterns of the paths of inputs and targets, relative to the set's folder.

    A name in braces matches a part of a path, without "/"; so does `*`, which names nothing. The
    path of an input gives the values of the names, and these values in the pattern `target` give
    the path of its target. `{weather}` is the weather. Images with the same `{photo}` show the same
    scene; without `{photo}`, every image is a separate scene. Names in folders become a part of the
    image's name. Suffixes match in any case. `input` and `target` may be one pattern per weather.
    Photographs without ground truth have no `target`.
    """

    input: str | dict[str, str]
    target: str | dict[str, str] | None = None

    def input_of(self, weather: str) -> str:
        """The input pattern of one weather, with the value of `{weather}`."""
        pattern = self.input if isinstance(self.input, str) else self.input[weather]
        return pattern.replace("{weather}", weather)

    def target_of(self, weather: str) -> str | None:
        """The target pattern of one weather, with the value of `{weather}`."""
        pattern = self.target[weather] if isinstance(self.target, dict) else self.target
        return pattern and pattern.replace("{weather}", weather)


class Archive(Settings):
    """One published archive of a set: its file name, its direct address if it has one, its SHA-256.

    Without `sha256`, the checksum of the first download is kept in
    `config/datasets/NAME.lock.json`.
    """

    file: str
    url: str | None = None
    sha256: str | None = None


class TrainSplit(Split):
    """Training pairs. `without`: patterns of the file names of inputs to leave out."""

    target: str
    without: tuple[str, ...] = ()


class Made(Settings):
    """A set that is made here (`benchmark.data.made_sets`): simulated weather on clean photographs.

    `photos`: their pattern, from the project folder. `levels`: strengths of the weather; each photo
    has an input for each weather and level. `seed`: of the weather.
    """

    photos: str
    levels: Annotated[
        tuple[Literal["light", "medium", "heavy"], ...], Field(min_length=1), run_config.Unrepeated
    ] = ("light", "medium", "heavy")
    seed: int = Field(default=0, ge=0)


class DatasetCard(Settings):
    """One file of `config/datasets/`. A user needs to change only `path`.

    `pairs`: number of images of each split, over all weathers. `content`: the SHA-256 of a split's
    files, as `python -m benchmark verify` prints it. `same_photo`: groups of `{photo}` values that
    show one scene; confidence intervals count such a scene once. `archives`: the archives that
    `python -m benchmark fetch` downloads. `train`: a pattern of clean photographs, from which pairs
    are made during training, or patterns of pairs. `manifest`: a JSON file with the checksums of
    the set's files. `made`: of what the set is made, if it is made here.
    """

    title: str
    path: str
    weathers: Annotated[tuple[str, ...], Field(min_length=1), run_config.Unrepeated]
    splits: dict[str, Split]
    train: str | TrainSplit | None = None
    manifest: str | None = None
    made: Made | None = None
    pairs: dict[str, int] = {}
    content: dict[str, str] = {}
    archives: tuple[Archive, ...] = ()
    same_photo: tuple[tuple[str, ...], ...] = ()
    licence: str
    source: str
    citation: str
    overlaps: str = ""

    @property
    def folder(self) -> Path:
        """The set's folder. A relative `path` starts at the project folder."""
        return in_project(self.path)


def card_files() -> dict[str, Path]:
    """The file of each card by name; the user's before the package's."""
    paths = [path for folder in (*PACKAGED, CARDS) for path in folder.glob("*.yaml")]
    return {path.stem: path for path in paths}


def load_card(name: str) -> DatasetCard:
    """The card `config/datasets/NAME.yaml`; UserError with the file and key at fault."""
    known = card_files()
    if name not in known:
        raise UserError(
            f"There is no data set card '{name}' in config/datasets/.{nearest(name, known)}"
        )
    file = known[name]
    card = validation.parse(DatasetCard, validation.read_yaml(file), shown(file))
    faults = [f"{shown(file)}: {fault}" for fault in card_faults.find(card)]
    if faults:
        raise UserError("\n".join(faults))
    return card


def raise_faults(name: str, faults: Faults, remedy: str | None = None) -> None:
    """Raise UserError if there are faults: their number, the first SHOWN_FAULTS of each kind, and
    what to do.

    name: of the data set's card. remedy: the beginning of a sentence that ends with the card's
    file; None for that of a set in its place.
    """
    count = sum(map(len, faults.values()))
    if not count:
        return
    number = "1 fault" if count == 1 else f"{count} faults"
    lines = [f"Data set '{name}' does not agree with its card ({number}):"]
    for kind, listed in faults.items():
        lines += [f"  {fault}" for fault in listed[:SHOWN_FAULTS]]
        if len(listed) > SHOWN_FAULTS:
            lines.append(f"  and {len(listed) - SHOWN_FAULTS} more {kind}")
    lines.append(f"{remedy or what_to_do(name)} config/datasets/{name}.yaml.")
    raise UserError("\n".join(lines))


def what_to_do(name: str) -> str:
    """What to do about a set that does not agree with its card; the card's file comes next."""
    card = load_card(name)
    correct = "or correct 'path' and the other keys in"
    if card.made:
        return f"Delete the folder {card.path}, and the next run makes the set again; {correct}"
    if card.manifest:
        return f"For the bundled data, {where_the_data_come_from()}; {correct}"
    if not (card.archives or "://" in card.source):  # one's own: there is nothing to fetch
        if not card.folder.exists():
            what = f"Put the images into the folder {card.folder}"
        else:
            what = f"Add, crop, rename or remove images in the folder {card.folder}"
        return f"{what} (docs/adding-a-data-set.md), {correct}"
    if not card.folder.exists():
        return f"Get the set with '{PROGRAM} fetch {name}' (docs/datasets.md), {correct}"
    return f"Move {card.path} away and fetch the set again (docs/datasets.md), {correct}"


def verify(name: str) -> None:
    """Raise UserError that lists `manifest_faults`, if there are any, or if a set that is made here
    has not been made yet."""
    card = load_card(name)
    if card.made and not card.folder.exists():
        raise UserError(f"{card.path} is not there yet: the first run with the set makes it.")
    faults = manifest_faults(name)
    raise_faults(name, {"missing, changed or unreadable files": [*faults.values()]})


def manifest_faults(name: str) -> dict[Path, str]:
    """The files in a set's manifest that are missing, cannot be read or have another checksum.

    Each with what is wrong. Training photographs and weights are among the files.
    """
    card = load_card(name)
    checksums, _ = set_manifest.read(card.folder, card.manifest)
    listed = {card.folder / path: sha256 for path, sha256 in checksums.items()}
    facts = examine(filter(os.path.exists, listed), name)
    faults = {}
    for path, sha256 in listed.items():
        if path not in facts:
            faults[path] = f"{shown(path)} is missing"
        elif not facts[path].sha256:
            faults[path] = facts[path].fault
        elif facts[path].sha256 != sha256:
            faults[path] = f"{shown(path)} differs from the set's manifest"
    return faults


def image_counts(name: str, choice: run_config.DatasetChoice) -> dict[str, tuple[int, Path | None]]:
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
        _check_choice(card_name, card, choice)
        table, faults = list_images(name, card, choice)
        raise_faults(card_name, faults)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def check_choices(config: Config, where: str) -> None:
    """Check that a run's data sets, their splits and weathers, and its training data are on cards.

    Raises UserError with `where` (the configuration's file), the key and the nearest known name.
    """
    key = "train_on"
    try:
        if load_card(config.train_on).train is None:
            raise UserError(f"config/datasets/{config.train_on}.yaml has no 'train'.")
        for name, choice in config.datasets.items():
            key = f"datasets.{name}"
            _check_choice(config.card_of(name), load_card(config.card_of(name)), choice)
    except UserError as error:
        raise UserError(f"{where}: {key}: {error}") from None


def _check_choice(name: str, card: DatasetCard, choice: run_config.DatasetChoice) -> None:
    if choice.split not in card.splits:
        raise UserError(
            f"Data set '{name}' has no split '{choice.split}'.{nearest(choice.split, card.splits)}"
        )
    for weather in choice.weathers or ():
        if weather not in card.weathers:
            raise UserError(
                f"Data set '{name}' has no weather '{weather}'.{nearest(weather, card.weathers)}"
            )


def list_images(
    name: str, card: DatasetCard, choice: run_config.DatasetChoice
) -> tuple[pd.DataFrame, Faults]:
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
    _check_choice(name, card, run_config.DatasetChoice(split=chosen))
    part = card.splits[chosen]
    if part.target is None:
        raise UserError(f"Split '{chosen}' of data set '{name}' has no targets.")
    for weather in card.weathers:
        patterns = part.input_of(weather), part.target_of(weather)
        if found := pairing.target_of_name(*patterns, image):
            return next(iter(sorted(card.folder.glob(found))), card.folder / found)
    return None
