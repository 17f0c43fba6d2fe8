"""The leaderboard on a terminal: the `all` rows of each data set."""

import pandas as pd

from benchmark.board.aggregate import NO_REFERENCE
from benchmark.board.format import count_text, seconds_text, value_text
from benchmark.board.legend import short_legend
from benchmark.board.score_table import ALL
from benchmark.board.verdicts import harmful, marks
from benchmark.results.schema import OK
from benchmark.results.tables import Cards, label
from benchmark.scoring.metrics import METRIC


def print_board(board: pd.DataFrame, methods: Cards = ()) -> None:
    """Print the `all` rows of each data set to the terminal, best first, controls last.

    board: columns `aggregate.COLUMNS`. methods: the cards.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cards = {(card["method"], card["variant"]): card for card in methods}
    worse = harmful(board, methods)
    console = Console()
    if not console.is_terminal:
        console.width = 200  # a file or a pipe has no width, and rich would break names at 80
    for dataset, rows in board[board["weather"] == ALL].groupby("dataset", sort=False):
        metrics = [m for m in ("rgb/psnr", "rgb/ssim", "lpips-alex/lpips") if rows[m].notna().any()]
        against = "scored on RGB" if metrics else "scored without ground truth"
        metrics = metrics or [m for m in NO_REFERENCE if rows[m].notna().any()]
        title = Text(f"{dataset}: all weathers, {against}")
        table = Table(title=title, title_justify="left", box=box.SIMPLE, pad_edge=False)
        table.add_column("rank", no_wrap=True)
        table.add_column("method", overflow="fold")
        headings = (f"{METRIC[m].acronym} {METRIC[m].arrow}" for m in metrics)
        for heading in (*headings, "seconds", "NFE"):
            table.add_column(heading, justify="right", no_wrap=True)
        for _, row in rows.iterrows():
            key = (row["method"], row["variant"])
            card = cards.get(key, {"method": key[0], "variant": key[1]})
            name = label(card) + marks(card, (row["dataset"], ALL, *key) in worse)
            # 80 columns have room for one interval.
            texts = [value_text(row, metric) for metric in metrics]
            texts = [*texts[:1], *(text.split(" ")[0] for text in texts[1:])]
            costs = (seconds_text(row["seconds"]), count_text(row["nfe"]))
            name += "" if row["status"] == OK else f" ({row['status']})"
            table.add_row(row["rank"], Text(name), *texts, *costs)
        console.print(table, markup=False)
    for entry in short_legend(methods):
        console.print(f"{entry.term}: {entry.text}", markup=False, highlight=False)
