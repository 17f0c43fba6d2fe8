"""Reading the tables that a run has written, with errors that say which file is at fault."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.core.errors import UserError
from benchmark.core.json_io import AGAIN, read_json
from benchmark.core.paths import fits_files
from benchmark.results.schema import COST, SCORES, STATUSES

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
    (str,): ("label", "title", "citation", "url", "licence", "description", "file",
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
PATHS = ("input", "target", "file")
HUGE = 10**300  # larger whole numbers are no floats
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
    _check_images(table, path, remedy)
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
    if not isinstance(cards, list):
        raise UserError(f"{path} must be a list of method cards; collect the run again.")
    return [check_card(card, f"{path}: card {n}", AGAIN) for n, card in enumerate(cards)]


def check_card(card: Any, where: str, remedy: str) -> dict[str, Any]:
    """A method's card itself; UserError naming `where` and the key that is missing or wrong."""
    if not isinstance(card, dict):
        raise UserError(f"{where} is no method card; {remedy}.")
    for key in CARD_KEYS:
        if not isinstance(card.get(key), str):
            fault = f"'{key}' is {card[key]!r:.40}" if key in card else f"has no '{key}'"
            raise UserError(f"{where} {fault}; {remedy}.")
    for kinds, keys in CARD_TYPES.items():
        for key in keys:
            value = card.get(key)
            huge = isinstance(value, int) and abs(value) > HUGE
            if huge or not isinstance(value, (*kinds, type(None))):
                raise UserError(f"{where}: '{key}' is {card[key]!r:.40}; {remedy}.")
    return card


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
            if name in ("", ".", "..") or "/" in name or not fits_files(name):
                raise UserError(f"{path}: {column} {name!r:.60} cannot name a file; {remedy}.")
    for column in table.columns.intersection(PATHS):
        for name in table[column].unique():
            if not fits_files(name):
                raise UserError(f"{path}: {column} {name!r:.60} is no path; {remedy}.")


def _check_images(table: pd.DataFrame, path: Path, remedy: str) -> None:
    """Where a table says what each image shows, it says so once."""
    if tuple(table.columns) != IMAGES:
        return
    twice = table[table.duplicated(list(IMAGES[:3]))]
    if len(twice):
        name = "/".join(twice[list(IMAGES[:3])].iloc[0])
        raise UserError(f"{path} has {name} twice; {remedy}.")
