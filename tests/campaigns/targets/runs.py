"""Wrong tables of finished runs, from which leaderboards, reports and merges are made."""

from pathlib import Path
from random import Random

from benchmark.board import recommend
from benchmark.board.pairs import write_comparisons
from benchmark.board.write import print_leaderboard, read_leaderboard, write_leaderboard
from benchmark.exchange.merge import merge_runs
from benchmark.exchange.run_diff import compare
from benchmark.exchange.run_diff_markdown import to_markdown
from benchmark.report.build import build_report
from benchmark.report.figures.draw import draw_figures
from benchmark.results.tables import read_methods
from tests.campaigns.targets.common import contents, kept_if_refused, write, wrong_text
from tests.synthetic_run import card, make_run

TABLES = ("scores.csv", "cost.csv", "images.csv", "methods.json", "manifest.json")
# Read by the report only.
PARTS = (
    "leaderboard.csv",
    "leaderboard.notes.json",
    "figures/figures.json",
    "comparisons.csv",
    "curve.csv",
    "../../data/manifest.csv",
)
CREDITS = "file,licence,author,source\nrain/target/photo00.png,CC0,A,x\n"


def run_of(
    folder: Path, name: str = "mine", method: str = "median", gain: float = 1.0, drawn=False
) -> Path:
    """A whole run of a control and a method in `folder/results/NAME`. Each call restores its files.

    drawn: with figures and comparisons. All such runs have the same scores of the control.
    """
    run, good = folder / "results" / name, folder / f"good-{name}"
    if not good.exists():
        own = card(method, gain=gain, training_curve="curve.csv")
        make_run(run, 2, ("rain", "haze"), [card("identity", control=True), own], side=16)
        write(run / "curve.csv", "step,loss\n1,0.5\n2,0.4\n3,0.3\n")
        write_leaderboard(run)
        if drawn:
            write_comparisons(run)
            draw_figures(run)
        for path, data in contents(run).items():
            write(good / path.relative_to(run), data)
    for path, data in contents(good).items():
        write(run / path.relative_to(good), data)
    write(folder / "data" / "manifest.csv", CREDITS)
    return run


def spoil(run: Path, names: tuple[str, ...], random: Random) -> str:
    """Make one of a run's files wrong; returns its name."""
    path = run / random.choice(names)
    write(path, wrong_text(path.name, path.read_text(encoding="utf-8"), random))
    return path.name


def board(folder: Path, random: Random):
    run = run_of(folder)
    name = spoil(run, TABLES, random)
    yield name, "scores.csv", "methods.json"
    with kept_if_refused(run):
        write_leaderboard(run)
    print_leaderboard(run)


def report(folder: Path, random: Random):
    run = run_of(folder, drawn=True)
    name = spoil(run, TABLES * 2 + PARTS, random)
    yield name, "scores.csv", "methods.json", "images.csv"
    if name in TABLES:
        write_leaderboard(run)  # figures and report refuse a leaderboard of other tables
    with kept_if_refused(run):
        if random.random() < 0.2:
            draw_figures(run)
        else:
            build_report(run)


def best_method(folder: Path, random: Random):
    """A wrong leaderboard, from which a method is chosen for photos."""
    run = run_of(folder)
    name = spoil(run, ("leaderboard.csv",), random)
    yield name, "leaderboard", "methods.json"
    print_leaderboard(run)
    found = recommend.ranked(read_leaderboard(run), [{"sees_target": False} | c
                                                  for c in read_methods(run)])  # fmt: skip
    recommend.choose(
        found, 1.0, random.choice((None, 1.0, 100.0)), lambda label: None, lambda *_: 1.0
    )


def comparisons(folder: Path, random: Random):
    run = run_of(folder)
    name = spoil(run, ("scores.csv", "methods.json", "images.csv"), random)
    yield name, "scores.csv", "methods.json"
    with kept_if_refused(run):
        write_comparisons(run)


def compared(folder: Path, random: Random):
    """Two runs are compared."""
    first, second = run_of(folder, "first"), run_of(folder, "second", gain=2.0)
    name = spoil(random.choice((first, second)), TABLES, random)
    yield name, "scores.csv", "methods.json", str(first)
    to_markdown(compare(first, second))


def merged(folder: Path, random: Random):
    """Two runs are merged. An earlier merge stays if that fails."""
    first, second = run_of(folder, "first"), run_of(folder, "second", "opening", gain=2.0)
    out = folder / "results" / "both"
    if not out.exists():
        merge_runs([first, second], out)
    name = spoil(random.choice((first, second)), TABLES, random)
    yield name, "scores.csv", "methods.json", str(first)
    with kept_if_refused(out):
        merge_runs([first, second], out)
    write_leaderboard(out)
    write_comparisons(out)


TARGETS = {
    "tables of a run: leaderboard": board,
    "tables of a run: figures, report": report,
    "tables of a run: comparisons": comparisons,
    "tables of a run: compare": compared,
    "tables of a run: merge": merged,
    "leaderboard that chooses": best_method,
}
