"""Faults of a data set's card that its types do not show."""

from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.core.errors import nearest
from benchmark.core.paths import fits_files
from benchmark.data.pairing import BRACES
from benchmark.spec.method import ALL_WEATHERS, CLEAR

if TYPE_CHECKING:
    from benchmark.data.cards import DatasetCard


def find(card: "DatasetCard") -> list[str]:
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
    if not isinstance(card.train, str | None):
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
