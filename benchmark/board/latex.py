"""The leaderboard as LaTeX, for a paper: one booktabs table for each data set."""

import pandas as pd

from benchmark.board.aggregate import Board
from benchmark.board.format import count_text, seconds_text, value_text
from benchmark.board.legend import CONTROL, HARMFUL, MISSING, SUBMITTED, board_legend
from benchmark.board.score_table import ALL
from benchmark.board.verdicts import harmful, row_name
from benchmark.results.schema import GROUP, OK
from benchmark.results.tables import Cards, by_key
from benchmark.scoring.metrics import ANY_METRIC

COSTS = {
    "s/MP": ("seconds_per_megapixel", seconds_text),
    "NFE": ("nfe", count_text),
    "params": ("parameters", count_text),
}
# Signs with a meaning in LaTeX, and signs that plain pdfLaTeX has no letter for.
SIGNS = str.maketrans(
    {
        **{sign: "\\" + sign for sign in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "\n": " ",
        "↑": r"$\uparrow$",
        "↓": r"$\downarrow$",
        CONTROL: r"$\dagger$",
        SUBMITTED: r"$\ddagger$",
        HARMFUL: r"$\bigtriangledown$",
        "∞": r"$\infty$",
        MISSING: "--",
    }
)
PREFACE = "% Needs \\usepackage{booktabs,graphicx}.\n"
TABLE = r"""
\begin{{table*}}[t]
\centering
\caption{{Weather removal on {dataset}, every weather with equal weight.}}
\resizebox{{\textwidth}}{{!}}{{%
{tabular}}}
\end{{table*}}
"""


def to_latex(board: Board, methods: Cards) -> str:
    """The `all` rows of every data set as `table` environments; names are escaped."""
    cards = by_key(methods)
    worse = harmful(board.table, methods)
    rows = board.table[board.table["weather"] == ALL]
    legend = [f"% {entry.term}: {entry.text}\n" for entry in board_legend(methods)]
    tables = [
        _table(dataset, part, cards, board.best, worse)
        for dataset, part in rows.groupby("dataset", sort=False)
    ]
    return PREFACE + "".join([*legend, *tables])


def _table(dataset: str, rows: pd.DataFrame, cards: dict, best: frozenset, worse: set) -> str:
    metrics = [metric for metric in ANY_METRIC if rows[metric].notna().any()]
    texts, styles = [], []
    for _, row in rows.iterrows():
        group = tuple(row[GROUP])
        name = row_name(row, cards, worse)
        name += "" if row["status"] == OK else f" ({row['status']})"
        line = {"rank": row["rank"] or MISSING, "method": name, "supervision": row["supervision"]}
        line |= {ANY_METRIC[metric].heading: value_text(row, metric) for metric in metrics}
        line |= {head: write(row[column]) for head, (column, write) in COSTS.items()}
        leads = {ANY_METRIC[m].heading for m in metrics if (*group, m) in best}
        texts.append(line)
        styles.append({head: "textbf: --rwrap;" if head in leads else "" for head in line})
    table, bolds = pd.DataFrame(texts), pd.DataFrame(styles)
    style = table.style.hide(axis="index").format(_escaped).format_index(_escaped, axis="columns")
    tabular = style.apply(lambda _: bolds, axis=None).to_latex(
        hrules=True, column_format="lll" + "r" * (table.shape[1] - 3)
    )
    return TABLE.format(dataset=_escaped(dataset), tabular=tabular.strip())


def _escaped(text: str) -> str:
    escaped = text.translate(SIGNS)
    # LaTeX would read a bracket after the end of a row as a length.
    return "{}" + escaped if escaped.startswith("[") else escaped
