"""The leaderboard as LaTeX, for a paper: a booktabs table a data set."""

import pandas as pd

from benchmark.board import ALL, METRICS
from benchmark.board_text import HEADINGS, MISSING, count_text, seconds_text, value_text
from benchmark.columns import OK
from benchmark.run_tables import Cards, label

COSTS = {
    "s/MP": ("seconds_per_megapixel", seconds_text),
    "NFE": ("nfe", count_text),
    "params": ("parameters", count_text),
}
# LaTeX's own signs as text, and those that plain pdfLaTeX has no letter for.
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
        "†": r"$\dagger$",
        "∞": r"$\infty$",
        MISSING: "--",
    }
)
PREFACE = r"""% Needs \usepackage{booktabs,graphicx}.
% Means over images with 95 % intervals from a bootstrap over photos. Bold: the best, and all whose
% paired difference from it may be zero. A dagger marks controls.
"""
TABLE = r"""
\begin{{table*}}[t]
\centering
\caption{{Weather removal on {dataset}, every weather with equal weight.}}
\resizebox{{\textwidth}}{{!}}{{%
{tabular}}}
\end{{table*}}
"""


def to_latex(board: pd.DataFrame, methods: Cards, best: pd.DataFrame) -> str:
    """The `all` rows of every data set as `table` environments; names are escaped.

    board: from `leaderboard`. best: from `board_text.leaders`, to be set in bold.
    """
    bold = set(best.itertuples(index=False, name=None))
    cards = {(card["method"], card["variant"]): card for card in methods}
    rows = board[board["weather"] == ALL]
    tables = [
        _table(dataset, part, cards, bold) for dataset, part in rows.groupby("dataset", sort=False)
    ]
    return PREFACE + "".join(tables)


def _table(dataset: str, rows: pd.DataFrame, cards: dict, bold: set) -> str:
    metrics = [metric for metric in METRICS if rows[metric].notna().any()]
    texts, styles = [], []
    for _, row in rows.iterrows():
        key = (row["method"], row["variant"])
        line = {"method": _name(cards[key], row["status"]), "supervision": row["supervision"]}
        line |= {HEADINGS[metric]: value_text(row, metric) for metric in metrics}
        line |= {head: write(row[column]) for head, (column, write) in COSTS.items()}
        leads = {HEADINGS[m] for m in metrics if (dataset, ALL, *key, m) in bold}
        texts.append(line)
        styles.append({head: "textbf: --rwrap;" if head in leads else "" for head in line})
    table, bolds = pd.DataFrame(texts), pd.DataFrame(styles)
    style = table.style.hide(axis="index").format(_escaped).format_index(_escaped, axis="columns")
    tabular = style.apply(lambda _: bolds, axis=None).to_latex(
        hrules=True, column_format="ll" + "r" * (table.shape[1] - 2)
    )
    return TABLE.format(dataset=_escaped(dataset), tabular=tabular.strip())


def _name(card: dict, status: str) -> str:
    notes = [*(["†"] if card.get("control") else []), *([f"({status})"] if status != OK else [])]
    return " ".join([label(card), *notes])


def _escaped(text: str) -> str:
    escaped = text.translate(SIGNS)
    # After a row's end, LaTeX would take it for a length.
    return "{}" + escaped if escaped.startswith("[") else escaped
