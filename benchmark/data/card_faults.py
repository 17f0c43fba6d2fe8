"""Faults of a data set's card that its types do not show."""

from pathlib import Path

from benchmark.core.errors import nearest
from benchmark.core.paths import fits_files
from benchmark.data.card_settings import DatasetCard
from benchmark.data.pairing import BRACES
from benchmark.spec.method import ALL_WEATHERS, CLEAR


def find(card: DatasetCard) -> list[str]:
    """Faults besides wrong types: unknown weathers or splits, patterns that cannot work."""
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
    if card.made and (_leads_out(card.made.photos) or card.manifest != "manifest.json"):
        faults.append(
            "made: photos must be below the project, without '..', and manifest: manifest.json"
        )
    splits = {f"splits.{name}": split for name, split in card.splits.items()}
    if not isinstance(card.train, str | None):
        splits["train"] = card.train
    for name, split in splits.items():
        if any("*" in pattern for pattern in _patterns(split.target)):
            faults.append(
                f"{name}.target: takes the names of the input, such as {{photo}}, and no '*'"
            )
        patterns = [*_patterns(split.input), *_patterns(split.target)]
        if any(not pattern or _leads_out(pattern) for pattern in patterns):
            faults.append(f"{name}: patterns must be below the set's path, without '..'")
        for weather in card.weathers:
            missing = [
                role
                for role, pattern in (("input", split.input), ("target", split.target))
                if isinstance(pattern, dict) and weather not in pattern
            ]
            if missing:
                faults += [f"{name}.{role} has no pattern for {weather}" for role in missing]
                continue
            given = {"weather", *BRACES.findall(split.input_of(weather))}
            for part in BRACES.findall(split.target_of(weather) or ""):
                if part not in given:
                    faults.append(f"{name}.target: '{{{part}}}' is not in the input of {weather}")
    return faults


def _patterns(given: str | dict[str, str] | None) -> list[str]:
    if isinstance(given, dict):
        return [*given.values()]
    return [] if given is None else [given]


def _leads_out(pattern: str) -> bool:
    """Whether a pattern leads out of the set's folder, or cannot be a path."""
    path = Path(pattern)
    return path.is_absolute() or ".." in path.parts or not fits_files(pattern)
