"""Tables in Markdown: what is written, and texts that would break them."""

import pytest

from benchmark.core.markdown import cell, markdown_table


def test_a_table_by_hand():
    rows = [["a", "1.0"], ["b \\| c", "001"], ["", "**–** [1, 2]"]]
    assert markdown_table(["name", "x ↑"], rows, ["left", "right"]).splitlines() == [
        "| name | x ↑ |",
        "|---|---:|",
        "| a | 1.0 |",
        "| b \\| c | 001 |",
        "|  | **–** [1, 2] |",
    ]
    assert markdown_table(["a", "b"], []) == "| a | b |\n|---|---|"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a|b\n\r c", "a\\|b c"),
        ("<b>`*[x](y)\\", "\\<b\\>\\`\\*\\[x\\](y)\\\\"),
        ("a\x00b\x1b[0m", "a b \\[0m"),
        ("\x01", ""),  # tabulate would leave out its row
    ],
)
def test_no_text_breaks_a_table(text, expected):
    assert cell(text) == expected
    table = markdown_table(["a", "b"], [[cell(text), cell(text)], ["1", "2"]])
    assert table.splitlines()[2:] == [f"| {expected} | {expected} |", "| 1 | 2 |"]
