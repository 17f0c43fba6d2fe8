"""Writes the leaderboard of a run, and reads it again."""

from pathlib import Path

import pandas as pd
from pandas.api.types import is_numeric_dtype

from benchmark.board import no_harm, uncertainty
from benchmark.board.aggregate import COLUMNS, Board, group_values, join_groups, set_values
from benchmark.board.changes import all_changes, write_changes
from benchmark.board.ensembles import ensembles
from benchmark.board.latex import to_latex
from benchmark.board.markdown import to_markdown
from benchmark.board.pairs import Comparisons, compare_group, compare_sets, save_comparisons
from benchmark.board.published import of_run
from benchmark.board.score_table import ALL, ScoreTable
from benchmark.board.set_table import set_groups
from benchmark.board.summary import summary
from benchmark.board.terminal import print_board
from benchmark.board.verdicts import devices
from benchmark.core.atomic import write_text
from benchmark.core.checksum import checksum
from benchmark.core.errors import UserError, nearest
from benchmark.core.json_io import read_json, write_json
from benchmark.core.reading import reading
from benchmark.core.validation import parse
from benchmark.results.layout import write_csv
from benchmark.results.schema import GROUP, METHOD
from benchmark.results.tables import (
    Cards,
    by_key,
    read_cost,
    read_images,
    read_methods,
    read_sample_scores,
    read_scores,
    read_set_scores,
)
from benchmark.scoring.metrics import ANY_METRIC
from benchmark.spec.method import Settings

TABLE, NOTES, SUMMARY = "leaderboard.csv", "leaderboard.notes.json", "leaderboard.json"
INPUTS = (
    "scores.csv",
    "set_scores.csv",
    "sample_scores.csv",
    "cost.csv",
    "methods.json",
    "images.csv",
)


class RowNotes(Settings):
    """What `leaderboard.csv` does not say of a row.

    bold: the metrics whose values are set in bold type (`legend.BOLD`). reason: why the status is
    not ok.
    """

    dataset: str
    weather: str
    method: str
    variant: str
    bold: tuple[str, ...] = ()
    reason: str = ""


class Notes(Settings):
    """The content of `leaderboard.notes.json`.

    made_from: the SHA-256 of each file of `INPUTS`; None if the run does not have it.
    """

    made_from: dict[str, str | None]
    rows: tuple[RowNotes, ...]


def write_leaderboard(run_dir: str | Path) -> pd.DataFrame:
    """Write `leaderboard.csv`, `.md`, `.tex`, `.json` and `.notes.json` of a run, `comparisons.csv`
    and `.md` (`pairs`), and `against_input.csv` (`changes.changes`); return the leaderboard.

    Reads `scores.csv`, `cost.csv`, `methods.json` and `images.csv`, which says which image was made
    from which photo; without it every image is its own photo. If the run scores sets of images, it
    reads `set_scores.csv` too; if it draws samples, `sample_scores.csv`, and writes
    `uncertainty.csv`. In Markdown, what methods do to clear photographs (`no_harm`) and published
    numbers on the run's data sets (`published.of_run`) follow the tables.

    Each file is written atomically. Raises UserError naming the file at fault.
    """
    run_dir = Path(run_dir)
    made_from = _checksums(run_dir)  # before reading: a change in between is found later
    scores, cost, methods = read_scores(run_dir), read_cost(run_dir), read_methods(run_dir)
    table = ScoreTable(scores, methods, read_images(run_dir))
    parts, sets, changed, harm, compared = [], [], [], [], Comparisons()
    for group in table.groups():
        parts.append(group_values(group))
        changed += all_changes(group, methods)
        harm.append(no_harm.no_harm(group, methods))
        compared += compare_group(group)
    if (scores_of_sets := read_set_scores(run_dir)) is not None:
        for group in set_groups(scores_of_sets, methods):
            sets.append(set_values(group))
            compared += compare_sets(group)
    board = join_groups(table, cost, parts, sets)
    text = to_markdown(board, methods, devices(cost))
    text += _write_uncertainty(run_dir, board, methods)
    clear = no_harm.to_markdown(harm, methods)
    text += f"\n{clear}" if clear else ""
    _, published = of_run(run_dir, board.table, methods)
    text += f"\n{published}" if published else ""
    write_csv(board.table, run_dir / TABLE)
    write_text(run_dir / "leaderboard.md", text)
    write_text(run_dir / "leaderboard.tex", to_latex(board, methods))
    write_json(run_dir / SUMMARY, summary(board.table, methods))
    write_changes(run_dir, changed)
    save_comparisons(run_dir, compared, methods)
    # Last: if the program is killed before, the notes do not fit their inputs and are refused.
    notes = _notes(board, made_from).model_dump_json(indent=1, exclude_defaults=True)
    write_text(run_dir / NOTES, notes + "\n")
    return board.table


def _write_uncertainty(run_dir: Path, board: Board, methods: Cards) -> str:
    """Write `uncertainty.csv`, if the run draws samples; returns its part of leaderboard.md."""
    scores = read_sample_scores(run_dir)
    if scores is None:
        (run_dir / uncertainty.FILE).unlink(missing_ok=True)
        return ""
    found = ensembles(scores, read_images(run_dir))
    table = uncertainty.uncertainty_table(found, board.table)
    write_csv(table, run_dir / uncertainty.FILE)
    return f"\n{uncertainty.to_markdown(table, methods)}"


def read_board(run_dir: str | Path) -> Board:
    """The leaderboard of a run as it was written.

    Raises UserError if a file is missing or malformed, or if the board was made from other scores,
    costs or cards than those that the run has now.
    """
    run_dir = Path(run_dir)
    table = read_leaderboard(run_dir)
    again = f"run `python -m benchmark leaderboard {run_dir}` again"
    path = run_dir / NOTES
    if not path.is_file():
        raise UserError(f"{path} is missing; {again}.")
    notes = parse(Notes, read_json(path, again), str(path))
    now = _checksums(run_dir)
    for name in INPUTS:
        if notes.made_from.get(name) != now[name]:
            raise UserError(f"{run_dir / name} changed after the leaderboard was made; {again}.")
    rows = [((row.dataset, row.weather, row.method, row.variant), row) for row in notes.rows]
    board = Board(
        table,
        frozenset((*key, metric) for key, row in rows for metric in row.bold),
        {key: row.reason for key, row in rows if row.reason},
    )
    _refuse_other_rows(run_dir / TABLE, board, read_methods(run_dir), again)
    return board


def read_leaderboard(run_dir: str | Path) -> pd.DataFrame:
    """`leaderboard.csv` of a run, bit for bit as `write_leaderboard` returned it.

    Raises UserError if it is missing or has other columns.
    """
    path = Path(run_dir) / TABLE
    if not path.is_file():
        first = f"run `python -m benchmark leaderboard {run_dir}` first"
        raise UserError(f"{path} is missing; {first}.")
    names = [*GROUP, "rank", "supervision", "status", "device"]
    # Only an empty number is missing: a variant may have the name "NA" or "none".
    missing = {name: [""] for name in COLUMNS if name not in names}
    again = "make the leaderboard again"
    with reading(path, "a readable CSV", again):
        table = pd.read_csv(
            path, dtype=dict.fromkeys(names, str), keep_default_na=False, na_values=missing
        )
    if tuple(table.columns) != COLUMNS:
        raise UserError(f"{path} has other columns than expected; {again}.")
    for name in missing:
        if not is_numeric_dtype(table[name]):
            raise UserError(f"{path}: {name} has a value that is no number; {again}.")
    return table


def print_leaderboard(run_dir: str | Path, weather: str = ALL) -> None:
    """Print the rows of one weather of a run's leaderboard to the terminal, best first, controls
    last.

    Raises UserError as `read_board` does, and for a weather that the run does not have.
    """
    board = read_board(run_dir)
    known = board.table["weather"].unique()
    if weather not in known:
        raise UserError(f"{run_dir} has no weather '{weather}'.{nearest(weather, known)}")
    print_board(board, read_methods(run_dir), weather)


def _checksums(run_dir: Path) -> dict[str, str | None]:
    paths = {name: run_dir / name for name in INPUTS}
    return {name: checksum(path) if path.is_file() else None for name, path in paths.items()}


def _notes(board: Board, made_from: dict[str, str | None]) -> Notes:
    rows = []
    for key in board.table[GROUP].itertuples(index=False, name=None):
        bold = tuple(metric for metric in ANY_METRIC if (*key, metric) in board.best)
        reason = board.reasons.get(key, "")
        if bold or reason:
            rows.append(RowNotes(**dict(zip(GROUP, key, strict=True)), bold=bold, reason=reason))
    return Notes(made_from=made_from, rows=tuple(rows))


def _refuse_other_rows(path: Path, board: Board, methods: list[dict], again: str) -> None:
    """UserError if the table has a method without a card: somebody edited it."""
    known = by_key(methods)
    for key in board.table[METHOD].itertuples(index=False, name=None):
        if key not in known:
            raise UserError(f"{path}: methods.json has no card for '{' '.join(key)}'; {again}.")
