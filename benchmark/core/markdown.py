"""Markdown tables, as every table of a run and of the documentation is written."""

from collections.abc import Iterable, Sequence

from tabulate import DataRow, TableFormat, tabulate

RULES = {"left": "---", "right": "---:"}
# Signs of Markdown and HTML that could break a table or add markup to it.
SIGNS = "\\|<>`*[]"
# Other control characters are white space to `str.split`.
CONTROLS = str.maketrans(dict.fromkeys([*range(9), *range(14, 28), 127], " "))


def markdown_table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], align: Sequence[str] | None = None
) -> str:
    """A pipe table: heads, rule, rows, each on a line of its own; no newline at the end.

    Texts are written as they are: those that come from files must have gone through `cell`. Columns
    are not padded to one width, so that a longer name changes its own row only.

    align: "left" or "right" for each column; all left if None.
    """
    rule = "|" + "|".join(RULES[side] for side in align or ["left"] * len(heads)) + "|"
    line = DataRow("|", "|", "|")
    form = TableFormat(None, lambda *_: rule, None, None, line, line, 1, None)
    return tabulate(
        [list(row) for row in rows],
        headers=list(heads),
        tablefmt=form,
        disable_numparse=True,
        stralign=None,
        numalign=None,
    )


def cell(text: str) -> str:
    """Text that cannot break a Markdown table or add HTML to it, on one line."""
    text = " ".join(str(text).translate(CONTROLS).split())
    for sign in SIGNS:
        text = text.replace(sign, "\\" + sign)
    return text
