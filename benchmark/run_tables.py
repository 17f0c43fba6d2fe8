"""Reading the tables that a run has written, with errors that say which file is at fault."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.columns import COST, SCORES, STATUSES
from benchmark.errors import UserError

IMAGES = (
    "dataset",
    "weather",
    "image",
    "photo",
    "strength",
    "input",
    "target",
    "input_sha256",
    "target_sha256",
)
CARD_KEYS = ("method", "variant", "supervision")
# What a card's keys may hold besides nothing, where what is made of them depends on it.
CARD_TYPES = {
    (str,): (*CARD_KEYS, "label", "title", "citation", "url", "licence", "description", "file",
             "training_curve"),
    (int, float): ("training_steps", "training_flops", "training_seconds"),
    (dict,): ("parameters", "settings", "training", "facts"),
}  # fmt: skip
NUMBERS = {
    "value",
    "width",
    "height",
    "seconds",
    "nfe",
    "parameters",
    "flops",
    "peak_memory_bytes",
}
# They become names of files and folders.
NAMES = ("dataset", "weather", "image", "method", "variant")
Cards = Sequence[dict[str, Any]]


def read_table(path: Path, columns: Sequence[str], remedy: str) -> pd.DataFrame:
    """Read a CSV with exactly the given columns; names stay strings, an empty number is NaN.

    Raises UserError naming the file (and the column or the line) when it is missing or malformed.
    """
    if not path.is_file():
        raise UserError(f"{path} is missing; {remedy}.")
    try:
        # Nothing but an empty field is missing: an image may be called "NA" or "null".
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not a readable CSV ({error}); {remedy}.") from error
    if list(table.columns) != list(columns):
        raise UserError(
            f"{path} has the columns {','.join(table.columns)} where {','.join(columns)} "
            f"are expected; {remedy}."
        )
    for name in NUMBERS.intersection(columns):
        numbers = pd.to_numeric(table[name], errors="coerce").astype(float)
        wrong = numbers.isna() & ~table[name].str.lower().isin(["", "nan"])
        if wrong.any():
            line = int(wrong.to_numpy().argmax())
            raise UserError(
                f"{path}, line {line + 2}: {name} is '{table[name].iloc[line]}', not a number; "
                f"{remedy}."
            )
        table[name] = numbers
    _check_statuses(table, path, remedy)
    _check_names(table, path, remedy)
    return table


def read_scores(run_dir: str | Path) -> pd.DataFrame:
    """`scores.csv` of a run: columns `columns.SCORES`, one row an image, seed and metric."""
    path = Path(run_dir) / "scores.csv"
    scores = read_table(path, SCORES, "score the run first (`benchmark score`)")
    if scores.empty:
        raise UserError(f"{path} has no rows; score at least one method first.")
    return scores


def read_cost(run_dir: str | Path) -> pd.DataFrame:
    """`cost.csv` of a run: columns `columns.COST`, one row a restored image."""
    return read_table(Path(run_dir) / "cost.csv", COST, "restore the images first")


def read_images(run_dir: str | Path) -> pd.DataFrame | None:
    """`images.csv` of a run (columns `IMAGES`), or None where the run has none."""
    path = Path(run_dir) / "images.csv"
    return read_table(path, IMAGES, "collect the run again") if path.exists() else None


def read_methods(run_dir: str | Path) -> list[dict[str, Any]]:
    """`methods.json` of a run: one card a method and variant, in order of appearance."""
    path = Path(run_dir) / "methods.json"
    cards = read_json(path)
    if not isinstance(cards, list) or not all(isinstance(card, dict) for card in cards):
        raise UserError(f"{path} must be a list of method cards; collect the run again.")
    for number, card in enumerate(cards):
        for key in CARD_KEYS:
            if key not in card:
                raise UserError(f"{path}: card {number} has no '{key}'; collect the run again.")
        for kinds, keys in CARD_TYPES.items():
            for key in keys:
                if not isinstance(card.get(key), (*kinds, type(None))):
                    raise UserError(
                        f"{path}: card {number}: '{key}' is {card[key]!r:.40}; collect the run "
                        "again."
                    )
    return cards


def read_json(path: Path, remedy: str = "collect the run again") -> Any:
    """A JSON file's content. Raises UserError naming the file when it is missing or malformed."""
    if not path.is_file():
        raise UserError(f"{path} is missing; {remedy}.")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON ({error}); {remedy}.") from error


def shows_input(card: dict[str, Any]) -> bool:
    """Whether a card is that of the control that returns its input."""
    return bool(card.get("control")) and not card.get("sees_target")


def label(card: dict[str, Any]) -> str:
    """What a row of the leaderboard is called."""
    if card.get("label"):
        return str(card["label"])
    return f"{card['method']} {card['variant']}".strip()


def _check_statuses(table: pd.DataFrame, path: Path, remedy: str) -> None:
    if "status" not in table:
        return
    unknown = set(table["status"]) - set(STATUSES)
    if unknown:
        raise UserError(
            f"{path}: unknown status '{sorted(unknown)[0]}' (known: {', '.join(STATUSES)}); "
            f"{remedy}."
        )


def _check_names(table: pd.DataFrame, path: Path, remedy: str) -> None:
    """Names lead to files below the run's folder, and to none elsewhere."""
    for column in table.columns.intersection(NAMES):
        for name in table[column].unique():
            if name in ("", ".", "..") or "/" in name or "\0" in name:
                raise UserError(f"{path}: {column} {name!r:.60} cannot name a file; {remedy}.")
