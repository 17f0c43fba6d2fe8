"""Data set cards: reads them, and checks sets and runs against them."""

import os
from pathlib import Path

from benchmark.core import validation
from benchmark.core.environment import PROGRAM
from benchmark.core.errors import UserError, nearest
from benchmark.core.paths import ROOT, packaged, shown, where_the_data_come_from
from benchmark.data import card_faults, set_manifest
from benchmark.data.card_checks import SHOWN_FAULTS, Faults
from benchmark.data.card_settings import DatasetCard
from benchmark.data.file_index import examine
from benchmark.spec.run_config import Config, DatasetChoice

CARDS = ROOT / "config" / "datasets"  # where a user adds or changes cards
PACKAGED = packaged("config/datasets")  # those of an installed package, beside the user's


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
            check_choice(config.card_of(name), load_card(config.card_of(name)), choice)
    except UserError as error:
        raise UserError(f"{where}: {key}: {error}") from None


def check_choice(name: str, card: DatasetCard, choice: DatasetChoice) -> None:
    """Raise UserError, with the nearest known name, if a card lacks a chosen split or weather."""
    if choice.split not in card.splits:
        raise UserError(
            f"Data set '{name}' has no split '{choice.split}'.{nearest(choice.split, card.splits)}"
        )
    for weather in choice.weathers or ():
        if weather not in card.weathers:
            raise UserError(
                f"Data set '{name}' has no weather '{weather}'.{nearest(weather, card.weathers)}"
            )
