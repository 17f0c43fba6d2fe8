"""The leaderboard as LaTeX, for a paper: a booktabs table a data set."""

import pandas as pd

from benchmark.board.aggregate import ALL, METRICS
from benchmark.board.format import (
    HARMFUL,
    HEADINGS,
    MISSING,
    SUBMITTED,
    count_text,
    seconds_text,
    value_text,
)
from benchmark.board.verdicts import HARM, harmful, marks
from benchmark.results.schema import OK
from benchmark.results.tables import Cards, label

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
        SUBMITTED: r"$\ddagger$",
        HARMFUL: r"$\bigtriangledown$",
        "∞": r"$\infty$",
        MISSING: "--",
    }
)
PREFACE = f"""% Needs \\usepackage{{booktabs,graphicx}}.
% Means over images with 95 % intervals from a bootstrap over photos, wider where seeds differ.
% Rank: by PSNR RGB (NIQE without ground truth), the range that paired tests leave open,
% Holm-corrected for all pairs (5 %); ranges that overlap may be ties.
% Bold: the best in a metric, and all that no other method is surely better than (5 %).
% dagger: a control; ddagger: restored elsewhere and submitted; triangle: PSNR more than {HARM} dB
% below the input's.
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
    worse = harmful(board, methods)
    rows = board[board["weather"] == ALL]
    tables = [
        _table(dataset, part, cards, bold, worse)
        for dataset, part in rows.groupby("dataset", sort=False)
    ]
    return PREFACE + "".join(tables)


def _table(dataset: str, rows: pd.DataFrame, cards: dict, bold: set, worse: set) -> str:
    metrics = [metric for metric in METRICS if rows[metric].notna().any()]
    texts, styles = [], []
    for _, row in rows.iterrows():
        key = (row["method"], row["variant"])
        card, status = cards[key], row["status"]
        name = label(card) + marks(card, (dataset, ALL, *key) in worse)
        name += "" if status == OK else f" ({status})"
        line = {"rank": row["rank"] or MISSING, "method": name, "supervision": row["supervision"]}
        line |= {HEADINGS[metric]: value_text(row, metric) for metric in metrics}
        line |= {head: write(row[column]) for head, (column, write) in COSTS.items()}
        leads = {HEADINGS[m] for m in metrics if (dataset, ALL, *key, m) in bold}
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
    # After a row's end, LaTeX would take it for a length.
    return "{}" + escaped if escaped.startswith("[") else escaped
