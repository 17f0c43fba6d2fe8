"""The leaderboard of a run: from its tables to `leaderboard.csv`, `.md` and `.tex`."""

from pathlib import Path

import pandas as pd
from pandas.api.types import is_numeric_dtype

from benchmark.board.aggregate import COLUMNS, GROUP, leaderboard, statuses
from benchmark.board.latex import to_latex
from benchmark.board.markdown import to_markdown
from benchmark.board.published import of_run
from benchmark.board.terminal import print_board
from benchmark.board.verdicts import devices, leaders
from benchmark.core.atomic import atomic_path, write_text
from benchmark.core.errors import UserError
from benchmark.results.tables import read_cost, read_images, read_methods, read_scores

__all__ = [
    "leaderboard",
    "print_leaderboard",
    "read_leaderboard",
    "statuses",
    "to_markdown",
    "write_leaderboard",
]


def write_leaderboard(run_dir: str | Path) -> pd.DataFrame:
    """Write `leaderboard.csv`, `leaderboard.md` and `leaderboard.tex` of a run; return the board.

    Reads `scores.csv`, `cost.csv`, `methods.json` and, for which image comes from which photo,
    `images.csv` (without it every image is its own photo). Published numbers on the run's data sets
    follow the board (`published.of_run`). Each file is written whole or not at
    all. Raises UserError naming the file at fault.
    """
    run_dir = Path(run_dir)
    scores, cost, methods = read_scores(run_dir), read_cost(run_dir), read_methods(run_dir)
    photos = read_images(run_dir)
    board = leaderboard(scores, cost, methods, photos)
    best = leaders(scores, methods, photos)
    text = to_markdown(
        board,
        methods,
        reasons=statuses(scores, methods),
        best=best,
        devices=devices(cost),
    )
    _, beside = of_run(run_dir, board, methods)
    text += f"\n{beside}" if beside else ""
    with atomic_path(run_dir / "leaderboard.csv") as path:
        board.to_csv(path, index=False)
    write_text(run_dir / "leaderboard.md", text)
    write_text(run_dir / "leaderboard.tex", to_latex(board, methods, best))
    return board


def read_leaderboard(run_dir: str | Path) -> pd.DataFrame:
    """`leaderboard.csv` of a run, as `leaderboard` returned it.

    Raises UserError if it is missing or has other columns.
    """
    path = Path(run_dir) / "leaderboard.csv"
    if not path.is_file():
        raise UserError(f"{path} is missing; run `benchmark leaderboard` first.")
    names = [*GROUP, "rank", "supervision", "status", "device"]
    # Nothing but an empty number is missing: a variant may be called "NA" or "none".
    missing = {name: [""] for name in COLUMNS if name not in names}
    again = "make the leaderboard again"
    try:
        board = pd.read_csv(
            path, dtype=dict.fromkeys(names, str), keep_default_na=False, na_values=missing
        )
    except ValueError as error:  # among them pandas' own and those of UTF-8
        raise UserError(f"{path} is not a readable CSV ({error}); {again}.") from error
    if tuple(board.columns) != COLUMNS:
        raise UserError(f"{path} has other columns than expected; {again}.")
    for name in missing:
        if not is_numeric_dtype(board[name]):
            raise UserError(f"{path}: {name} has a value that is no number; {again}.")
    return board


def print_leaderboard(run_dir: str | Path) -> None:
    """Print the `all` rows of a run's `leaderboard.csv` to the terminal, best first, controls last.

    Raises UserError if `leaderboard.csv` or `methods.json` is missing.
    """
    print_board(read_leaderboard(run_dir), read_methods(run_dir))
