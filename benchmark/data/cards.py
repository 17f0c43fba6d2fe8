"""Data set cards: where a set's images lie and how inputs and targets pair."""

import glob
import json
import os
import re
from pathlib import Path

import pandas as pd

from benchmark.core import validation
from benchmark.core.errors import UserError, nearest
from benchmark.core.image_io import SUFFIXES
from benchmark.core.paths import ROOT, fits_files, from_root, shown
from benchmark.data.card_checks import Faults, Pair, content_of, refuse, what_differs, what_lacks
from benchmark.data.file_index import examine
from benchmark.results.tables import IMAGES
from benchmark.spec import run_config
from benchmark.spec.method import ALL_WEATHERS, CLEAR, Settings
from benchmark.spec.run_config import Config

CARDS = ROOT / "config" / "datasets"
BRACES = re.compile(r"\{(\w+)\}")


class Split(Settings):
    """Patterns of input and target paths below the set's folder.

    `{weather}` and `{photo}` stand for parts of a path, other names in braces for parts that do not
    matter. A target is found by filling in what its input's path gave; photographs without ground
    truth have no `target`. Images with the same `{photo}` show the same scene; without it every
    image is its own photo. `input` may name one pattern a weather.
    """

    input: str | dict[str, str]
    target: str | None = None

    def input_of(self, weather: str) -> str:
        """The input pattern of one weather, `{weather}` filled in."""
        pattern = self.input if isinstance(self.input, str) else self.input[weather]
        return pattern.replace("{weather}", weather)


class Archive(Settings):
    """One published archive of a set: its file name, its address if it has a direct one, SHA-256.

    Without `sha256` the checksum of the first download is kept in `config/datasets/NAME.lock.json`.
    """

    file: str
    url: str | None = None
    sha256: str | None = None


class TrainSplit(Split):
    """Pairs to train on; `without`: inputs left out, as patterns of their file names."""

    target: str
    without: tuple[str, ...] = ()


class DatasetCard(Settings):
    """One file of `config/datasets/`. A user changes `path`, nothing else.

    `pairs`: how many images each split has, over all weathers. `content`: the SHA-256 of a split's
    files, as `python -m benchmark verify` prints it. `same_photo`: groups of `{photo}` names that
    show one scene, which intervals count once. `archives`: what `python -m benchmark fetch` takes.
    `train`: a pattern of clean photographs from which pairs are made while training, or patterns of
    pairs.
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
        """The set's folder; relative paths count from the repository root."""
        return ROOT / self.path


def load_card(name: str) -> DatasetCard:
    """The card `config/datasets/NAME.yaml`; UserError naming the file and key at fault."""
    file = CARDS / f"{name}.yaml"
    known = [p.stem for p in CARDS.glob("*.yaml")]
    if name not in known:
        raise UserError(
            f"There is no data set card '{name}' in config/datasets/.{nearest(name, known)}"
        )
    card = validation.parse(DatasetCard, validation.read_yaml(file), shown(file))
    faults = [f"{shown(file)}: {fault}" for fault in _card_faults(card)]
    if faults:
        raise UserError("\n".join(faults))
    return card


def _card_faults(card: DatasetCard) -> list[str]:
    """What types alone do not say: unknown weathers and splits, names in braces without a value."""
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
        faults.append("path: no file system takes it")
    train = card.train if isinstance(card.train, str) else ""
    if _leaves(train) or _leaves(card.manifest or ""):
        faults.append("train and manifest lie below the set's path, without '..'")
    splits = {f"splits.{name}": split for name, split in card.splits.items()}
    if isinstance(card.train, TrainSplit):
        splits["train"] = card.train
    for name, split in splits.items():
        patterns = [split.input] if isinstance(split.input, str) else [*split.input.values()]
        patterns += [] if split.target is None else [split.target]
        if any(not pattern or _leaves(pattern) for pattern in patterns):
            faults.append(f"{name}: patterns lie below the set's path, without '..'")
        for weather in card.weathers:
            if isinstance(split.input, dict) and weather not in split.input:
                faults.append(f"{name}.input has no pattern for {weather}")
                continue
            given = {"weather", *BRACES.findall(split.input_of(weather))}
            for part in BRACES.findall(split.target or ""):
                if part not in given:
                    faults.append(f"{name}.target: '{{{part}}}' is not in the input of {weather}")
    return faults


def _leaves(pattern: str) -> bool:
    """Whether a pattern leads out of the folder that it is meant for, or to nowhere."""
    path = Path(pattern)
    return path.is_absolute() or ".." in path.parts or not fits_files(pattern)


def verify(name: str) -> None:
    """Compare a set's files, training photographs and weights too, with its manifest, if any.

    Raises UserError that lists the files that are missing or have another checksum.
    """
    card = load_card(name)
    listed = {card.folder / key: entry["sha256"] for key, entry in _manifest(card).items()}
    facts = examine(filter(os.path.isfile, listed), name)
    missing = [f"{shown(path)} is missing" for path in listed if path not in facts]
    differing = [
        f"{shown(path)} differs from the set's manifest"
        for path, fact in facts.items()
        if fact.sha256 != listed[path]
    ]
    refuse(name, {"missing": missing, "differing": differing})


def image_counts(name: str, choice: run_config.DatasetChoice) -> dict[str, tuple[int, Path | None]]:
    """How many images of each weather a run's data set has, and one of them.

    Counted on disk; where the set is not there, its card's number in equal parts and no image.
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

    Paths below the repository are relative to it; photographs without ground truth have an empty
    `target`. Raises UserError that lists all that is wrong with a set: a split without images or
    with another number than its card's, an input without target, two inputs of one name, files
    that are no images, an input and a target of different sizes, another content than the card's.
    """
    tables = []
    for name, choice in config.datasets.items():
        card_name = choice.card or name
        card = load_card(card_name)
        _check_choice(card_name, card, choice)
        table, faults = images_of(name, card, choice)
        refuse(card_name, faults)
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


def images_of(
    name: str, card: DatasetCard, choice: run_config.DatasetChoice
) -> tuple[pd.DataFrame, Faults]:
    """The images that an entry `name` of a run chooses (columns IMAGES), and all that is wrong."""
    split, listed = card.splits[choice.split], _manifest(card)
    weathers = choice.weathers or card.weathers
    found = {weather: find_pairs(card, split, weather) for weather in weathers}
    faults = {
        "without images": [
            f"no {weather} image matches {card.path}/{split.input_of(weather)}"
            for weather, pairs in found.items()
            if not pairs
        ]
    }
    all_weathers = found.keys() == set(card.weathers)
    faults |= what_lacks(
        choice.split, found, card.pairs.get(choice.split) if all_weathers else None
    )
    found = {weather: pairs[: choice.limit] for weather, pairs in found.items()}
    pairs = [pair for pairs in found.values() for pair in pairs]
    paths = sorted({path for pair in pairs for path in pair[1:] if path and os.path.isfile(path)})
    facts = examine(paths, name)
    faults |= what_differs(pairs, facts)
    stated = card.content.get(choice.split)
    if stated and all_weathers and not choice.limit and stated != content_of(card.folder, facts):
        faults["of another content"] = [
            f"the files of split '{choice.split}' are not those of the card's checksum"
        ]
    first = {photo: group[0] for group in card.same_photo for photo in group}
    rows = []
    for weather, pairs in found.items():
        for photo, source, target in pairs:
            entry = listed.get(source.relative_to(card.folder).as_posix(), {})
            row = {
                "dataset": name,
                "weather": weather,
                "image": source.stem,
                "photo": first.get(photo, photo),
                "strength": entry.get("strength", ""),
            }
            for role, path in (("input", source), ("target", target)):
                known = path in facts
                row[role] = from_root(path) if known else ""
                row[f"{role}_sha256"] = facts[path].sha256 if known else ""
            rows.append(row)
    return pd.DataFrame(rows, columns=list(IMAGES)), faults


def content(name: str, split: str) -> str:
    """The checksum of a split's files, for its card's `content`."""
    card = load_card(name)
    pairs = [p for weather in card.weathers for p in find_pairs(card, card.splits[split], weather)]
    paths = sorted({path for pair in pairs for path in pair[1:] if path})
    return content_of(card.folder, examine(paths, name))


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
            target = card.folder / _filled(split.target, values) if split.target else None
            found.append((values.get("photo", path.stem), path, target))
    return found


def _filled(pattern: str, values: dict[str, str]) -> str:
    """A pattern with values for its names in braces; `str.format` would do more than that."""
    return BRACES.sub(lambda part: values[part[1]], pattern)


def _manifest(card: DatasetCard) -> dict[str, dict]:
    """What the set's manifest says of each file, by path below the set's folder.

    `files` gives checksums, `pairs` the strength level of each degraded picture.
    """
    if card.manifest is None:
        return {}
    file = card.folder / card.manifest
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
        listed = {entry["path"]: {"sha256": entry["sha256"]} for entry in manifest["files"]}
        for pair in manifest.get("pairs", []):
            listed[pair["degraded"]]["strength"] = pair["level"]
        if not all(isinstance(path, str) for path in listed):
            raise TypeError("a path is no text")
    except FileNotFoundError:
        raise UserError(
            f"{shown(file)}, the card's 'manifest', is missing. Run 'dvc pull' and try again."
        ) from None
    # Value: JSON's and UTF-8's own errors; recursion: thousands of brackets in each other.
    except (OSError, ValueError, RecursionError, KeyError, TypeError) as error:
        raise UserError(f"{shown(file)} is damaged ({error}). Run 'dvc pull --force'.") from error
    return listed
