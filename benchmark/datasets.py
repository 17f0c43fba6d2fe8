"""Data set cards: where a set's images lie and how inputs and targets pair."""

import hashlib
import json
import re
from pathlib import Path

import pandas as pd
import yaml

from benchmark import config as configuration
from benchmark.config import Config
from benchmark.errors import UserError, nearest
from benchmark.method import ALL_WEATHERS, Settings
from benchmark.registry import ROOT
from benchmark.run_tables import IMAGES

CARDS = ROOT / "config" / "datasets"


class Split(Settings):
    """Patterns of input and target paths below the set's folder.

    `{weather}` and `{photo}` stand for parts of a path, other names in braces for parts that do not
    matter. A target is found by filling in what its input's path gave. Images with the same
    `{photo}` show the same scene; without it every image is its own photo.
    """

    input: str
    target: str


class DatasetCard(Settings):
    """One file of `config/datasets/`. A user changes `path`, nothing else."""

    title: str
    path: str
    weathers: tuple[str, ...]
    splits: dict[str, Split]
    train: str | None = None
    manifest: str | None = None
    pairs: dict[str, int] = {}
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
    for weather in card.weathers:
        if weather not in ALL_WEATHERS:
            hint = nearest(weather, ALL_WEATHERS)
            raise UserError(f"config/datasets/{name}.yaml: unknown weather '{weather}'.{hint}")
    return card


def training_photos(name: str) -> list[Path]:
    """The clean photographs of a set's `train` pattern, sorted."""
    card = load_card(name)
    if card.train is None:
        raise UserError(f"config/datasets/{name}.yaml has no 'train' pattern of clean photographs.")
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
        elif hashlib.sha256(path.read_bytes()).hexdigest() != entry["sha256"]:
            faults.append(f"{_shown(path)} differs from the set's manifest")
    _refuse(name, faults)


def find_images(config: Config) -> pd.DataFrame:
    """All test images of a run, one row each, with checksums; columns IMAGES.

    Paths below the repository are relative to it. Raises UserError that lists all that is wrong:
    a split without images, an input without target.
    """
    tables = [_images_of(name, choice) for name, choice in config.datasets.items()]
    return pd.concat(tables, ignore_index=True)


def _images_of(name: str, choice: configuration.DatasetChoice) -> pd.DataFrame:
    card = load_card(name)
    if choice.split not in card.splits:
        raise UserError(
            f"Data set '{name}' has no split '{choice.split}'.{nearest(choice.split, card.splits)}"
        )
    for weather in choice.weathers or ():
        if weather not in card.weathers:
            raise UserError(
                f"Data set '{name}' has no weather '{weather}'.{nearest(weather, card.weathers)}"
            )
    listed = _manifest(card)
    rows, faults = [], []
    for weather in choice.weathers or card.weathers:
        found = _pairs(card, card.splits[choice.split], weather)
        if not found:
            faults.append(
                f"no {weather} image matches {card.path}/{card.splits[choice.split].input}"
            )
        for photo, source, target in found[: choice.limit]:
            row = {"dataset": name, "weather": weather, "image": source.stem, "photo": photo}
            for role, path in (("input", source), ("target", target)):
                key = path.relative_to(card.folder).as_posix()
                entry = listed.get(key, {})
                if not path.is_file():
                    faults.append(f"{_shown(path)} is missing")
                    continue
                checksum = hashlib.sha256(path.read_bytes()).hexdigest()
                row |= {role: _shown(path), f"{role}_sha256": checksum}
                if role == "input":
                    row["strength"] = entry.get("strength", "")
            rows.append(row)
    _refuse(name, faults)
    return pd.DataFrame(rows, columns=list(IMAGES))


def _refuse(name: str, faults: list[str]) -> None:
    if faults:
        shown = "\n  ".join(faults[:20])
        raise UserError(
            f"Data set '{name}' is not as its card says ({len(faults)} faults):\n  {shown}\n"
            f"Run 'dvc pull --force' for the bundled set, or set 'path' in config/datasets/."
        )


def _pairs(card: DatasetCard, split: Split, weather: str) -> list[tuple[str, Path, Path]]:
    """(photo, input, target) of every input file, sorted by path."""
    pattern = split.input.replace("{weather}", weather)
    fields = [_part for _part in re.split(r"(\{\w+\})", pattern) if _part]
    expression = "".join(
        f"(?P<{f[1:-1]}>[^/]+)" if f.startswith("{") else re.escape(f) for f in fields
    )
    found = []
    for path in sorted(card.folder.glob(re.sub(r"\{\w+\}", "*", pattern))):
        match = re.fullmatch(expression, path.relative_to(card.folder).as_posix())
        if match:
            values = {"weather": weather, **match.groupdict()}
            target = card.folder / split.target.format(**values)
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
