"""Data set cards: where a set's images are, and which target belongs to which input."""

import glob
import os
import re
from pathlib import Path

import pandas as pd
from pydantic import BaseModel, ConfigDict

from benchmark.core import validation
from benchmark.core.errors import UserError, nearest
from benchmark.core.image_io import SUFFIXES
from benchmark.core.json_io import loads
from benchmark.core.paths import (
    ROOT,
    fits_files,
    from_root,
    in_project,
    packaged,
    shown,
    where_the_data_come_from,
)
from benchmark.core.reading import reading
from benchmark.data.card_checks import (
    Faults,
    Pair,
    content_checksum,
    find_missing_and_unequal,
    find_wrong_numbers_and_names,
    raise_faults,
)
from benchmark.data.file_index import examine
from benchmark.results.tables import IMAGES
from benchmark.spec import run_config
from benchmark.spec.method import ALL_WEATHERS, CLEAR, Settings
from benchmark.spec.run_config import Config

CARDS = ROOT / "config" / "datasets"  # where a user adds or changes cards
PACKAGED = packaged("config/datasets")  # those of an installed package, beside the user's
BRACES = re.compile(r"\{(\w+)\}")
PULL = where_the_data_come_from().replace("dvc pull", "dvc pull --force")


class Split(Settings):
    """Patterns of the paths of inputs and targets, relative to the set's folder.

    A name in braces matches a part of a path, without "/". The path of an input gives the values
    of the names, and these values in the pattern `target` give the path of its target. `{weather}`
    is the weather. Images with the same `{photo}` show the same scene; without `{photo}`, every
    image is a separate scene. Other names have no meaning. `input` may be one pattern per
    weather. Photographs without ground truth have no `target`.
    """

    input: str | dict[str, str]
    target: str | None = None

    def input_of(self, weather: str) -> str:
        """The input pattern of one weather, with the value of `{weather}`."""
        pattern = self.input if isinstance(self.input, str) else self.input[weather]
        return pattern.replace("{weather}", weather)


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


class DatasetCard(Settings):
    """One file of `config/datasets/`. A user needs to change only `path`.

    `pairs`: number of images of each split, over all weathers. `content`: the SHA-256 of a split's
    files, as `python -m benchmark verify` prints it. `same_photo`: groups of `{photo}` values that
    show one scene; confidence intervals count such a scene once. `archives`: the archives that
    `python -m benchmark fetch` downloads. `train`: a pattern of clean photographs, from which pairs
    are made during training, or patterns of pairs. `manifest`: a JSON file with the checksums of
    the set's files.
    """

    title: str
    path: str
    weathers: tuple[str, ...]
    splits: dict[str, Split]
    train: str | TrainSplit | None = None
    manifest: str | None = None
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


class _ListedFile(BaseModel):
    path: str
    sha256: str


class _ListedPair(BaseModel):
    degraded: str
    level: str


class _Manifest(BaseModel):
    """The keys of a set's manifest that are read; it may have others.

    `files`: path from the set's folder and checksum. `pairs`: strength level of a degraded picture.
    """

    model_config = ConfigDict(strict=True)

    files: list[_ListedFile]
    pairs: list[_ListedPair] = []


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
    faults = [f"{shown(file)}: {fault}" for fault in _card_faults(card)]
    if faults:
        raise UserError("\n".join(faults))
    return card


def _card_faults(card: DatasetCard) -> list[str]:
    """Faults besides wrong types: unknown weathers or splits, names in braces without a value."""
    faults = [
        f"unknown weather '{weather}'.{nearest(weather, (*ALL_WEATHERS, CLEAR))}"
        for weather in card.weathers
        if weather not in (*ALL_WEATHERS, CLEAR)
    ]
    faults += [
        f"{key}: no split '{split}'.{nearest(split, card.splits)}"
        for key, splits in (("pairs", card.pairs), ("content", card.content))
        for split in splits
        if split not in card.splits
    ]
    if not fits_files(card.path):
        faults.append("path: too long, or has a zero byte")
    train = card.train if isinstance(card.train, str) else ""
    if _leads_out(train) or _leads_out(card.manifest or ""):
        faults.append("train and manifest must be below the set's path, without '..'")
    splits = {f"splits.{name}": split for name, split in card.splits.items()}
    if isinstance(card.train, TrainSplit):
        splits["train"] = card.train
    for name, split in splits.items():
        patterns = [split.input] if isinstance(split.input, str) else [*split.input.values()]
        patterns += [] if split.target is None else [split.target]
        if any(not pattern or _leads_out(pattern) for pattern in patterns):
            faults.append(f"{name}: patterns must be below the set's path, without '..'")
        for weather in card.weathers:
            if isinstance(split.input, dict) and weather not in split.input:
                faults.append(f"{name}.input has no pattern for {weather}")
                continue
            given = {"weather", *BRACES.findall(split.input_of(weather))}
            for part in BRACES.findall(split.target or ""):
                if part not in given:
                    faults.append(f"{name}.target: '{{{part}}}' is not in the input of {weather}")
    return faults


def _leads_out(pattern: str) -> bool:
    """Whether a pattern leads out of the set's folder, or cannot be a path."""
    path = Path(pattern)
    return path.is_absolute() or ".." in path.parts or not fits_files(pattern)


def verify(name: str) -> None:
    """Compare all files in a set's manifest, if it has one, with their checksums.

    That includes training photographs and weights. Raises UserError that lists the files that are
    missing or have another checksum.
    """
    card = load_card(name)
    listed = {card.folder / path: sha256 for path, sha256 in _read_manifest(card)[0].items()}
    facts = examine(filter(os.path.isfile, listed), name)
    missing = [f"{shown(path)} is missing" for path in listed if path not in facts]
    differing = [
        f"{shown(path)} differs from the set's manifest"
        for path, fact in facts.items()
        if fact.sha256 != listed[path]
    ]
    raise_faults(name, {"missing files": missing, "changed files": differing})


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
        counts[weather] = min(count, choice.limit or count), pairs[0][1] if pairs else None
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
    split, (_, levels) = card.splits[choice.split], _read_manifest(card)
    weathers = choice.weathers or card.weathers
    found = {weather: find_pairs(card, split, weather) for weather in weathers}
    faults = {
        "weathers without images": [
            f"no {weather} image matches {card.path}/{split.input_of(weather)}"
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
    paths = sorted({path for pair in pairs for path in pair[1:] if path and os.path.isfile(path)})
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
        for photo, source, target in pairs:
            row = {
                "dataset": name,
                "weather": weather,
                "image": source.stem,
                "photo": first.get(photo, photo),
                "strength": levels.get(source.relative_to(card.folder).as_posix(), ""),
            }
            for role, path in (("input", source), ("target", target)):
                known = path in facts
                row[role] = from_root(path) if known else ""
                row[f"{role}_sha256"] = facts[path].sha256 if known else ""
            rows.append(row)
    return pd.DataFrame(rows, columns=list(IMAGES)), faults


def split_checksum(name: str, split: str) -> str:
    """The checksum of a split's files, for the card's `content`."""
    card = load_card(name)
    pairs = [p for weather in card.weathers for p in find_pairs(card, card.splits[split], weather)]
    paths = sorted({path for pair in pairs for path in pair[1:] if path})
    return content_checksum(card.folder, examine(paths, name))


def find_pairs(card: DatasetCard, split: Split, weather: str) -> list[Pair]:
    """(photo, input, target) of every input image, sorted by path."""
    pattern = split.input_of(weather)
    parts = BRACES.split(pattern)
    expression = "".join(
        f"(?P<{part}>[^/]+)" if number % 2 else re.escape(part) for number, part in enumerate(parts)
    )
    wanted = "".join("*" if number % 2 else glob.escape(part) for number, part in enumerate(parts))
    found = []
    for path in sorted(card.folder.glob(wanted)):
        match = re.fullmatch(expression, path.relative_to(card.folder).as_posix())
        if match and path.suffix.lower() in SUFFIXES:
            values = {"weather": weather, **match.groupdict()}
            target = card.folder / _fill_in(split.target, values) if split.target else None
            found.append((values.get("photo", path.stem), path, target))
    return found


def _fill_in(pattern: str, values: dict[str, str]) -> str:
    """A pattern with the values of its names in braces. `str.format` would allow more than that."""
    return BRACES.sub(lambda part: values[part[1]], pattern)


def _read_manifest(card: DatasetCard) -> tuple[dict[str, str], dict[str, str]]:
    """The checksum of each file, and the strength level of each degraded picture.

    Both by path below the set's folder, and empty if the card has no manifest. Raises UserError
    with the file and key at fault.
    """
    if card.manifest is None:
        return {}, {}
    file = card.folder / card.manifest
    where = f"{shown(file)} (the card's 'manifest')"
    with reading(where, "valid JSON", PULL):
        content = loads(file.read_text(encoding="utf-8"))
    manifest = validation.parse(_Manifest, content, where, PULL)
    checksums = {entry.path: entry.sha256 for entry in manifest.files}
    levels = {}
    for number, pair in enumerate(manifest.pairs):
        if pair.degraded not in checksums:
            raise UserError(
                f"{where}: pairs.{number}.degraded: {pair.degraded!r:.60} is not in 'files'; "
                f"{PULL}."
            )
        levels[pair.degraded] = pair.level
    return checksums, levels
