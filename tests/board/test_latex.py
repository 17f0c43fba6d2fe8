"""The leaderboard as LaTeX: numbers, bold type, legend, and names with signs of LaTeX."""

import re
import shutil
import subprocess

import pytest

from benchmark.board.legend import board_legend
from benchmark.board.score_table import ALL
from benchmark.board.write import read_board, write_leaderboard
from tests.synthetic_run import card, make_run

NASTY = r"[a] a_b & 50% $x$ #1 {y} \end{tabular} ~^ <i>"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("latex") / "results" / "demo"
    cards = [card("identity", control=True), card("weak", gain=0.5), card("nasty", gain=3.0)]
    cards[-1]["label"] = NASTY
    make_run(folder, photos=3, weathers=("rain", "haze"), cards=cards, side=8)
    return folder


@pytest.fixture(scope="module")
def board(run):
    return write_leaderboard(run)


def lines(run):
    """The cells of each row of the only table, heads first."""
    text = (run / "leaderboard.tex").read_text(encoding="utf-8")
    body = text.split(r"\toprule")[1].split(r"\bottomrule")[0]
    rows = re.findall(r"^(.*) \\\\$", body, re.MULTILINE)
    return [re.split(r"(?<!\\) & ", row) for row in rows]


def test_the_table_has_the_boards_rows_in_order(run, board):
    heads, *rows = lines(run)
    every = board[board["weather"] == ALL]
    assert len(rows) == len(every) == 3
    for row, (_, expected) in zip(rows, every.iterrows(), strict=True):
        shown = dict(zip(heads, row, strict=True))
        numbers = re.findall(r"[\d.]+", shown[r"PSNR RGB $\uparrow$"])
        ends = [expected["rgb/psnr" + end] for end in ("", "_low", "_high")]
        assert [float(number) for number in numbers] == pytest.approx(ends, abs=0.005)
        assert shown["rank"] == (expected["rank"].replace("–", "--") or "--")
    assert [row[0] for row in rows] == ["1", "2", "--"]  # a control takes no place
    assert rows[-1][1] == r"identity $\dagger$"


def test_bold_are_the_leaders(run, board):
    best = read_board(run).best
    leading = {row[2] for row in best if row[1] == ALL and row[4] == "rgb/psnr"}
    assert leading == {"nasty"}
    _, *rows = lines(run)
    assert [row[3].startswith(r"\textbf{") for row in rows] == [True, False, False]


def test_latex_and_markdown_have_the_same_legend(run, board):
    latex, markdown = ((run / f"leaderboard.{end}").read_text() for end in ("tex", "md"))
    for term, text in board_legend([]):
        assert f"\n% {term}: {text}\n" in latex
        assert f"\n- **{term}**: {text}\n" in markdown


def test_latex_signs_in_names_are_text(run, board):
    name = lines(run)[1][1]
    assert name == (
        r"{}[a] a\_b \& 50\% \$x\$ \#1 \{y\} \textbackslash{}end\{tabular\}"
        r" \textasciitilde{}\textasciicircum{} \textless{}i\textgreater{}"
    )


@pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="pdflatex is not installed: the table is not typeset"
)
def test_it_can_be_typeset(run, board, tmp_path):
    page = r"\documentclass{article}\usepackage{booktabs,graphicx}\begin{document}\input{table}"
    (tmp_path / "page.tex").write_text(page + r"\end{document}")
    shutil.copy(run / "leaderboard.tex", tmp_path / "table.tex")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout
