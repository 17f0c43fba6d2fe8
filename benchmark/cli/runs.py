"""What one does with finished runs: compare their methods, compare runs, merge, submit."""

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.app import DEFAULT, ConfigFile, RunPath, app, open_run


@app.command()
def comparisons(
    path: RunPath = Path("results/default"),
    metric: Annotated[
        list[str] | None, typer.Option(help="Such as rgb/psnr, several times; all if none.")
    ] = None,
) -> None:
    """Compare every pair of a run's methods: comparisons.csv and comparisons.md."""
    from benchmark.board.pairs import write_comparisons

    table = write_comparisons(path, metric)
    print(f"{path}/comparisons.md, {path}/comparisons.csv: {len(table)} pairs")


@app.command()
def compare(
    run_a: Annotated[Path, typer.Argument(help="A run's folder.", metavar="RUN_A")],
    run_b: Annotated[Path, typer.Argument(help="Another's.", metavar="RUN_B")],
    out: Annotated[Path | None, typer.Option(help="CSV file of all differences.")] = None,
) -> None:
    """Print what changed from run A to run B: environment, settings, scores on common images."""
    from benchmark.exchange.run_diff import compare as compare_runs
    from benchmark.exchange.run_diff_markdown import to_markdown
    from benchmark.results.layout import write_csv

    found = compare_runs(run_a, run_b)
    if out is not None:
        write_csv(found.table, out)
    print(to_markdown(found), end="")


@app.command()
def merge(
    runs: Annotated[list[Path], typer.Argument(help="Folders of two runs or more.")],
    out: Annotated[Path, typer.Option(help="Folder of the merged run, results/NAME.")],
) -> None:
    """Join runs of several machines into one, with one leaderboard."""
    from benchmark.board.write import print_leaderboard, write_leaderboard
    from benchmark.core.errors import UserError
    from benchmark.exchange.merge import merge_runs

    if len(runs) < 2:
        raise UserError("A merge takes two runs or more.")
    merge_runs(runs, out)
    write_leaderboard(out, comparisons=True)
    print_leaderboard(out)


@app.command()
def submit(
    folder: Annotated[
        Path,
        typer.Argument(help="Restored test images, DATASET/WEATHER/IMAGE.png.", metavar="DIR"),
    ],
    method: Annotated[str, typer.Option(help="What the board calls it.")],
    run: Annotated[Path, typer.Option(help="The run's folder.")] = Path("results/default"),
    title: Annotated[str, typer.Option(help="The method's full name.")] = "",
    citation: Annotated[str, typer.Option(help="Who published it.")] = "",
    supervision: Annotated[
        str, typer.Option(help="What it was trained on: none, clean-only, paired.")
    ] = "not stated",
    seconds: Annotated[
        float | None, typer.Option(min=0, help="For one image, if you state it.")
    ] = None,
) -> None:
    """Score a folder of restored test images as a method on a run's leaderboard."""
    import sys

    from benchmark.board.write import print_leaderboard, write_leaderboard
    from benchmark.exchange.submit import Submission
    from benchmark.exchange.submit import submit as submit_images

    stated = float("nan") if seconds is None else seconds
    submission = Submission(method, title, citation, supervision, stated)
    faults = submit_images(folder, submission, run)
    write_leaderboard(run, comparisons=True)
    print_leaderboard(run)
    for fault in faults:
        print(f"not scored: {fault}", file=sys.stderr)


@app.command()
def retry(
    status: Annotated[
        list[str] | None, typer.Option(help="Such as timed-out, several times; all if none.")
    ] = None,
    method: Annotated[
        list[str] | None, typer.Option(help="A method entry, several times; all if none.")
    ] = None,
    config: ConfigFile = DEFAULT,
) -> None:
    """Take away what failed in a run, and its leaderboard, so that the workflow makes them anew."""
    from benchmark.core.errors import UserError
    from benchmark.jobs import workflow_lock
    from benchmark.jobs.retry import retry as take_away

    settings, folder = open_run(config)
    if told := workflow_lock.others():
        raise UserError(told)
    files = take_away(settings, folder, status or (), method or ())
    for file in files:
        print(f"to be made anew: {file}")
    if files:
        print(f"To try again: snakemake --cores all --config run={config}")
    else:
        print(f"{folder.path}: nothing to try again")
