"""The leaderboard on a terminal: the `all` rows of each data set."""

import pandas as pd

from benchmark.board.aggregate import ALL, NO_REFERENCE
from benchmark.board.format import HEADINGS, count_text, seconds_text, value_text
from benchmark.board.verdicts import LEGEND, harmful, marks
from benchmark.results.schema import OK
from benchmark.results.tables import Cards, label


def print_board(board: pd.DataFrame, methods: Cards = ()) -> None:
    """Print the `all` rows of each data set to the terminal, best first, controls last."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cards = {(card["method"], card["variant"]): card for card in methods}
    worse = harmful(board, methods)
    console = Console()
    if not console.is_terminal:
        console.width = 200  # a file or a pipe has none, and rich would break names at 80
    for dataset, rows in board[board["weather"] == ALL].groupby("dataset", sort=False):
        metrics = [m for m in ("rgb/psnr", "rgb/ssim", "lpips-alex/lpips") if rows[m].notna().any()]
        against = "scored on RGB" if metrics else "scored without ground truth"
        metrics = metrics or [m for m in NO_REFERENCE if rows[m].notna().any()]
        title = Text(f"{dataset}: all weathers, {against}")
        table = Table(title=title, title_justify="left", box=box.SIMPLE, pad_edge=False)
        table.add_column("rank", no_wrap=True)
        table.add_column("method", overflow="fold")
        for heading in (*(HEADINGS[m].replace(" RGB", "") for m in metrics), "seconds", "NFE"):
            table.add_column(heading, justify="right", no_wrap=True)
        for _, row in rows.iterrows():
            key = (row["method"], row["variant"])
            card = cards.get(key, {"method": key[0], "variant": key[1]})
            name = label(card) + marks(card, (row["dataset"], ALL, *key) in worse)
            # Only the first has room for its interval on 80 columns.
            texts = [value_text(row, metric) for metric in metrics]
            texts = [*texts[:1], *(text.split(" ")[0] for text in texts[1:])]
            costs = (seconds_text(row["seconds"]), count_text(row["nfe"]))
            name += "" if row["status"] == OK else f" ({row['status']})"
            table.add_row(row["rank"], Text(name), *texts, *costs)
        console.print(table, markup=False)
    console.print(f"Ranks that overlap may be ties. {LEGEND}", markup=False, highlight=False)
