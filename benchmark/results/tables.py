"""Reads the tables that a run has written, with errors that say which file is at fault."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.core.errors import UserError
from benchmark.core.json_io import AGAIN, read_json
from benchmark.core.paths import fits_files
from benchmark.core.reading import reading, regular
from benchmark.core.storage import STORAGES
from benchmark.core.validation import parse
from benchmark.results.method_card import MethodCard
from benchmark.results.schema import (
    COST,
    IMAGE,
    METHOD,
    SAMPLE_SCORES,
    SCORES,
    SET_SCORES,
    STATUSES,
)

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
NUMBERS = {
    "value",
    "samples",
    "width",
    "height",
    "seconds",
    "batch_seconds",
    "nfe",
    "parameters",
    "flops",
    "peak_memory_bytes",
}
# These columns become names of files and folders.
NAMES = (*IMAGE, *METHOD)
PATHS = ("input", "target", *(storage.columns[0] for storage in STORAGES))
RUN_FIRST = "run 'python -m benchmark run' with the run's --config first"
Cards = Sequence[dict[str, Any]]


def read_table(
    path: Path, columns: Sequence[str], remedy: str, numbers: Collection[str] = ()
) -> pd.DataFrame:
    """Read a CSV file with exactly the given columns.

    Columns that are named in `NUMBERS` or in `numbers` become float64 and an empty value NaN; all
    others stay text. Raises UserError with the file's name, the column or line, and the remedy if
    the file is missing or malformed.
    """
    with reading(path, "a readable CSV", remedy):
        # Only an empty field is a missing value: an image may be called "NA" or "null".
        table = pd.read_csv(regular(path), dtype=str, keep_default_na=False)
    if list(table.columns) != list(columns):
        raise UserError(
            f"{path} has the columns {','.join(table.columns)} where {','.join(columns)} "
            f"are expected; {remedy}."
        )
    for name in NUMBERS.union(numbers).intersection(columns):
        values = pd.to_numeric(table[name], errors="coerce").astype(float)
        wrong = values.isna() & ~table[name].str.lower().isin(["", "nan"])
        if wrong.any():
            line = int(wrong.to_numpy().argmax())
            raise UserError(
                f"{path}, line {line + 2}: {name} is '{table[name].iloc[line]}', not a number; "
                f"{remedy}."
            )
        table[name] = values
    _check_statuses(table, path, remedy)
    _check_names(table, path, remedy)
    _check_images(table, path, remedy)
    return table


def read_scores(run_dir: str | Path) -> pd.DataFrame:
    """`scores.csv` of a run: columns `schema.SCORES`, one row per image, seed and metric."""
    path = Path(run_dir) / "scores.csv"
    scores = read_table(path, SCORES, RUN_FIRST)
    if scores.empty:
        raise UserError(f"{path} has no rows; score at least one method first.")
    return scores


def read_set_scores(run_dir: str | Path) -> pd.DataFrame | None:
    """`set_scores.csv` of a run: columns `schema.SET_SCORES`; None if it scores no sets."""
    path = Path(run_dir) / "set_scores.csv"
    return read_table(path, SET_SCORES, "collect the run again") if path.exists() else None


def read_sample_scores(run_dir: str | Path) -> pd.DataFrame | None:
    """`sample_scores.csv` of a run: columns `schema.SAMPLE_SCORES`; None if it draws no samples."""
    path = Path(run_dir) / "sample_scores.csv"
    return read_table(path, SAMPLE_SCORES, "collect the run again") if path.exists() else None


def read_cost(run_dir: str | Path) -> pd.DataFrame:
    """`cost.csv` of a run: columns `schema.COST`, one row per restored image."""
    return read_table(Path(run_dir) / "cost.csv", COST, "restore the images first")


def read_images(run_dir: str | Path) -> pd.DataFrame | None:
    """`images.csv` of a run (columns `IMAGES`), or None if there is none."""
    path = Path(run_dir) / "images.csv"
    return read_table(path, IMAGES, "collect the run again") if path.exists() else None


def read_methods(run_dir: str | Path) -> list[dict[str, Any]]:
    """`methods.json` of a run: one card per method and variant, in the order of the run."""
    path = Path(run_dir) / "methods.json"
    cards = read_json(path)
    if not isinstance(cards, list):
        raise UserError(f"{path} must be a list of method cards; collect the run again.")
    return [check_card(card, f"{path}: card {n}", AGAIN) for n, card in enumerate(cards)]


def check_card(card: Any, where: str, remedy: str) -> dict[str, Any]:
    """The card, unchanged, if it is a `MethodCard`.

    Raises UserError with `where`, each key that is missing or wrong, and the remedy.
    """
    parse(MethodCard, card, where, remedy)
    return card


def key_of(card: dict[str, Any]) -> tuple[str, str]:
    """The method and variant of a card, which name it in every table."""
    return card["method"], card["variant"]


def by_key(cards: Cards) -> dict[tuple[str, str], dict[str, Any]]:
    """The cards by `key_of`, in their order."""
    return {key_of(card): card for card in cards}


def shows_input(card: dict[str, Any]) -> bool:
    """Whether the method of a card is the control that returns its input."""
    return bool(card.get("control")) and not card.get("sees_target")


def label(card: dict[str, Any]) -> str:
    """The name of a method and variant on the leaderboard."""
    if card.get("label"):
        return str(card["label"])
    return f"{card['method']} {card['variant']}".strip()


def _check_statuses(table: pd.DataFrame, path: Path, remedy: str) -> None:
    if "status" not in table:
        return
    unknown = set(table["status"].unique()) - set(STATUSES)
    if unknown:
        raise UserError(
            f"{path}: unknown status '{sorted(unknown)[0]}' (known: {', '.join(STATUSES)}); "
            f"{remedy}."
        )


def _check_names(table: pd.DataFrame, path: Path, remedy: str) -> None:
    """Refuse names that would lead to files outside of the run's folder."""
    for column in table.columns.intersection(NAMES):
        for name in table[column].unique():
            if name in ("", ".", "..") or "/" in name or not fits_files(name):
                raise UserError(f"{path}: {column} {name!r:.60} cannot name a file; {remedy}.")
    for column in table.columns.intersection(PATHS):
        for name in table[column].unique():
            if not fits_files(name):
                raise UserError(f"{path}: {column} {name!r:.60} is not a path; {remedy}.")


def _check_images(table: pd.DataFrame, path: Path, remedy: str) -> None:
    """Refuse an `images.csv` that lists an image twice."""
    if tuple(table.columns) != IMAGES:
        return
    twice = table[table.duplicated(IMAGE)]
    if len(twice):
        name = "/".join(twice[IMAGE].iloc[0])
        raise UserError(f"{path} has {name} twice; {remedy}.")
