"""Data set cards: where a set's images lie and how inputs and targets pair."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

import pandas as pd
import yaml

from benchmark import config as configuration
from benchmark.checksum import checksum
from benchmark.config import Config
from benchmark.errors import UserError, nearest
from benchmark.images import SUFFIXES, image_size
from benchmark.method import ALL_WEATHERS, CLEAR, Settings
from benchmark.registry import ROOT
from benchmark.run_tables import IMAGES

CARDS = ROOT / "config" / "datasets"
BRACES = re.compile(r"\{(\w+)\}")
Pair = tuple[str, Path, Path | None]  # photo, input, target


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


class TrainSplit(Split):
    """Pairs to train on; `without`: inputs left out, as patterns of their file names."""

    target: str
    without: tuple[str, ...] = ()


class DatasetCard(Settings):
    """One file of `config/datasets/`. A user changes `path`, nothing else.

    `pairs`: how many images each split has, over all weathers. `same_photo`: groups of `{photo}`
    names that show one scene, which intervals count once. `train`: a pattern of clean photographs
    from which pairs are made while training, or patterns of pairs.
    """

    title: str
    path: str
    weathers: tuple[str, ...]
    splits: dict[str, Split]
    train: str | TrainSplit | None = None
    manifest: str | None = None
    pairs: dict[str, int] = {}
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
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise UserError(f"{_shown(file)} is not valid YAML: {error}") from error
    card = configuration.parse(DatasetCard, values, _shown(file))
    faults = [f"{_shown(file)}: {fault}" for fault in _card_faults(card)]
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
        f"pairs: no split '{split}'.{nearest(split, card.splits)}"
        for split in card.pairs
        if split not in card.splits
    ]
    splits = {f"splits.{name}": split for name, split in card.splits.items()}
    if isinstance(card.train, TrainSplit):
        splits["train"] = card.train
    for name, split in splits.items():
        for weather in card.weathers:
            if isinstance(split.input, dict) and weather not in split.input:
                faults.append(f"{name}.input has no pattern for {weather}")
                continue
            given = {"weather", *BRACES.findall(split.input_of(weather))}
            for part in BRACES.findall(split.target or ""):
                if part not in given:
                    faults.append(f"{name}.target: '{{{part}}}' is not in the input of {weather}")
    return faults


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
        found += [(source, target) for _, source, target in _pairs(card, card.train, weather)]
    left_out = card.train.without
    found = [pair for pair in found if not any(fnmatch(pair[0].name, p) for p in left_out)]
    if not found:
        raise UserError(
            f"config/datasets/{name}.yaml: train: no pair of {', '.join(weathers)} below "
            f"{card.path}. Set 'path' to where the set lies."
        )
    _refuse(name, [f"{_shown(t)} is missing" for t in {t for _, t in found} if not t.is_file()])
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
            shown = [f"{_shown(p)} ({w}×{h})" for p, (w, h) in zip(pair, sizes, strict=True)]
            faults.append(f"sizes differ: {' and '.join(shown)}")
    _refuse(name, faults)


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
        raise UserError(f"{card.path}/{card.train} matches no file. Run 'dvc pull' and try again.")
    return photos


def verify(name: str) -> None:
    """Compare a set's files, training photographs and weights too, with its manifest, if any.

    Raises UserError that lists the files that are missing or have another checksum.
    """
    card = load_card(name)
    faults = []
    for key, entry in _manifest(card).items():
        path = card.folder / key
        if not path.is_file():
            faults.append(f"{_shown(path)} is missing")
        elif checksum(path) != entry["sha256"]:
            faults.append(f"{_shown(path)} differs from the set's manifest")
    _refuse(name, faults)


def image_counts(
    name: str, choice: configuration.DatasetChoice
) -> dict[str, tuple[int, Path | None]]:
    """How many images of each weather a run's data set has, and one of them.

    Counted on disk; where the set is not there, its card's number in equal parts and no image.
    """
    card = load_card(choice.card or name)
    weathers, split = choice.weathers or card.weathers, card.splits[choice.split]
    counts = {}
    for weather in weathers:
        pairs = _pairs(card, split, weather)
        count = len(pairs) or card.pairs.get(choice.split, 0) // len(card.weathers)
        counts[weather] = min(count, choice.limit or count), pairs[0][1] if pairs else None
    return counts


def find_images(config: Config) -> pd.DataFrame:
    """All test images of a run, one row each, with checksums; columns IMAGES.

    Paths below the repository are relative to it; photographs without ground truth have an empty
    `target`. Raises UserError that lists all that is wrong: a split without images or with fewer
    than its card counts, an input without target, two inputs of one name.
    """
    tables = [_images_of(name, choice) for name, choice in config.datasets.items()]
    return pd.concat(tables, ignore_index=True)


def _images_of(name: str, choice: configuration.DatasetChoice) -> pd.DataFrame:
    card_name = choice.card or name
    card = load_card(card_name)
    if choice.split not in card.splits:
        raise UserError(
            f"Data set '{card_name}' has no split '{choice.split}'."
            f"{nearest(choice.split, card.splits)}"
        )
    for weather in choice.weathers or ():
        if weather not in card.weathers:
            raise UserError(
                f"Data set '{card_name}' has no weather '{weather}'."
                f"{nearest(weather, card.weathers)}"
            )
    split, listed = card.splits[choice.split], _manifest(card)
    found = {weather: _pairs(card, split, weather) for weather in choice.weathers or card.weathers}
    faults = _what_lacks(card, choice, found)
    first = {photo: group[0] for group in card.same_photo for photo in group}
    rows = []
    for weather, pairs in found.items():
        for photo, source, target in pairs[: choice.limit]:
            entry = listed.get(source.relative_to(card.folder).as_posix(), {})
            row = {
                "dataset": name,
                "weather": weather,
                "image": source.stem,
                "photo": first.get(photo, photo),
                "strength": entry.get("strength", ""),
            }
            for role, path in (("input", source), ("target", target)):
                if path is None:
                    row |= {role: "", f"{role}_sha256": ""}
                elif path.is_file():
                    row |= {role: _shown(path), f"{role}_sha256": checksum(path)}
                else:
                    faults.append(f"{_shown(path)} is missing")
            rows.append(row)
    _refuse(card_name, faults)
    return pd.DataFrame(rows, columns=list(IMAGES))


def _what_lacks(
    card: DatasetCard, choice: configuration.DatasetChoice, found: dict[str, list[Pair]]
) -> list[str]:
    """Weathers without images, fewer images than the card counts, names that come twice."""
    faults = []
    for weather, pairs in found.items():
        if not pairs:
            pattern = card.splits[choice.split].input_of(weather)
            faults.append(f"no {weather} image matches {card.path}/{pattern}")
        stems = Counter(source.stem for _, source, _ in pairs)
        faults += [f"{n} {weather} images are called '{s}'" for s, n in stems.items() if n > 1]
    count, expected = sum(map(len, found.values())), card.pairs.get(choice.split, 0)
    if 0 < count < expected and found.keys() == set(card.weathers):
        faults.append(f"{count} of the {expected} images of split '{choice.split}' are there")
    return faults


def _refuse(name: str, faults: list[str]) -> None:
    if faults:
        shown = "\n  ".join(faults[:20])
        raise UserError(
            f"Data set '{name}' is not as its card says ({len(faults)} faults):\n  {shown}\n"
            f"Run 'dvc pull --force' for the bundled set, or set 'path' in config/datasets/."
        )


def _pairs(card: DatasetCard, split: Split, weather: str) -> list[Pair]:
    """(photo, input, target) of every input image, sorted by path."""
    pattern = split.input_of(weather)
    expression = "".join(
        f"(?P<{part}>[^/]+)" if number % 2 else re.escape(part)
        for number, part in enumerate(BRACES.split(pattern))
    )
    found = []
    for path in sorted(card.folder.glob(BRACES.sub("*", pattern))):
        match = re.fullmatch(expression, path.relative_to(card.folder).as_posix())
        if match and path.suffix.lower() in SUFFIXES:
            values = {"weather": weather, **match.groupdict()}
            target = card.folder / split.target.format(**values) if split.target else None
            found.append((values.get("photo", path.stem), path, target))
    return found


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
    except FileNotFoundError:
        raise UserError(f"{_shown(file)} is missing. Run 'dvc pull' and try again.") from None
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise UserError(f"{_shown(file)} is damaged ({error}). Run 'dvc pull --force'.") from error
    return listed


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
