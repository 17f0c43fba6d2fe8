"""Verbs for finished runs: show one, compare methods, compare runs, merge, submit, retry."""

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.app import DEFAULT, PROGRAM, ConfigFile, RunPath, existing_run, open_run, verb


@verb("show --config config/default.yaml", "show --weather haze", lock=False)
def show(
    weather: Annotated[str, typer.Option(help="One weather of the run, or all.")] = "all",
    config: ConfigFile = DEFAULT,
) -> None:
    """Print the leaderboard of a run and the path of its report."""
    from benchmark.board.write import print_leaderboard

    _, folder = open_run(config)
    print_leaderboard(existing_run(folder.path, config), weather)
    print(f"\nTables: {folder.path}/leaderboard.md  Report: {folder.path}/report/index.html")


@verb("comparisons results/default")
def comparisons(path: RunPath = Path("results/default")) -> None:
    """Compare every pair of a run's methods: comparisons.csv and comparisons.md."""
    from benchmark.board.pairs import write_comparisons

    table = write_comparisons(path)
    print(f"{path}/comparisons.md, {path}/comparisons.csv: {len(table)} pairs")


@verb("compare results/default results/other --out differences.csv", lock=False)
def compare(
    run_a: Annotated[Path, typer.Argument(help="Folder of a run.", metavar="RUN_A")],
    run_b: Annotated[Path, typer.Argument(help="Folder of another run.", metavar="RUN_B")],
    out: Annotated[Path | None, typer.Option(help="CSV file of all differences.")] = None,
) -> None:
    """Print the differences of two runs: environment, settings, scores on common images."""
    from benchmark.exchange.run_diff import compare as compare_runs
    from benchmark.exchange.run_diff_markdown import to_markdown
    from benchmark.results.layout import write_csv

    found = compare_runs(existing_run(run_a), existing_run(run_b))
    if out is not None:
        write_csv(found.table, out)
    print(to_markdown(found), end="")


@verb("merge results/here results/there --out results/both")
def merge(
    runs: Annotated[list[Path], typer.Argument(help="Folders of two or more runs.")],
    out: Annotated[Path, typer.Option(help="Folder of the merged run, results/NAME.")],
) -> None:
    """Join runs of several machines into one, with one leaderboard."""
    from benchmark.board.write import print_leaderboard, write_leaderboard
    from benchmark.core.errors import UserError
    from benchmark.exchange.merge import merge_runs

    if len(runs) < 2:
        raise UserError("A merge needs two or more runs.")
    merge_runs([existing_run(run) for run in runs], out)
    write_leaderboard(out)
    print_leaderboard(out)


@verb("submit DIR --method mine --run results/default --supervision paired")
def submit(
    folder: Annotated[
        Path,
        typer.Argument(help="Restored test images, DATASET/WEATHER/IMAGE.png.", metavar="DIR"),
    ],
    method: Annotated[str, typer.Option(help="Name of the method on the leaderboard.")],
    run: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("results/default"),
    title: Annotated[str, typer.Option(help="Full name of the method.")] = "",
    citation: Annotated[str, typer.Option(help="Who published it.")] = "",
    supervision: Annotated[
        str, typer.Option(help="Its training data: none, clean-only or paired.")
    ] = "not stated",
    seconds: Annotated[
        float | None, typer.Option(min=0, help="Seconds for one image, if you know them.")
    ] = None,
) -> None:
    """Score a folder of restored test images as a method on a run's leaderboard."""
    import sys

    from benchmark.board.write import print_leaderboard, write_leaderboard
    from benchmark.core import paths
    from benchmark.exchange.submit import Submission
    from benchmark.exchange.submit import submit as submit_images

    run = paths.find(run)
    _refuse_at_work(run)
    existing_run(run)
    stated = float("nan") if seconds is None else seconds
    submission = Submission(method, title, citation, supervision, stated)
    faults = submit_images(folder, submission, run)
    write_leaderboard(run)
    print_leaderboard(run)
    for fault in faults:
        print(f"not scored: {fault}", file=sys.stderr)


@verb("why --config config/reference.yaml", lock=False)
def why(config: ConfigFile = DEFAULT) -> None:
    """Say for each job of a run that would run again what has changed since it was done."""
    from benchmark.jobs import records, resolve
    from benchmark.jobs.identity import Identities

    settings, folder = open_run(config)
    identities = Identities(settings, resolve.recorded(folder))
    count = 0
    for work, names, changes in records.changed(settings, folder, identities):
        count += 1
        print(f"{work} {' '.join(map(str, names))}: {'; '.join(changes)}")
    print(f"{folder.path}: {count} of {len(records.jobs(settings))} jobs have changed")


@verb(
    "export results/default --format every-eval-ever",
    "export results/default --format croissant --out DIR",
)
def export(
    path: RunPath = Path("results/default"),
    form: Annotated[
        str, typer.Option("--format", help="every-eval-ever, model-index or croissant.")
    ] = "model-index",
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder to write: new, empty or an earlier export, which is replaced; "
            "RUN/export/FORMAT if none."
        ),
    ] = None,
) -> None:
    """Write a run's results for others: Hugging Face's model index, Every Eval Ever, Croissant."""
    import sys

    from benchmark.exchange.export import export as export_run

    exported = export_run(path, form, out)
    for line in exported.left_out:
        print(line, file=sys.stderr)
    for file in exported.files:
        print(file)


@verb(
    "retry --config config/reference.yaml",
    "retry --status timed-out --method unet --config config/reference.yaml",
)
def retry(
    status: Annotated[
        list[str] | None,
        typer.Option(help="For example timed-out; may be repeated; default: all failures."),
    ] = None,
    method: Annotated[
        list[str] | None, typer.Option(help="Method entry; may be repeated; default: all.")
    ] = None,
    config: ConfigFile = DEFAULT,
) -> None:
    """Delete the failed parts of a run and its leaderboard; the workflow then makes them again."""
    from benchmark.jobs.retry import retry as delete_failed

    settings, folder = open_run(config)
    _refuse_at_work(folder.path)
    files = delete_failed(settings, folder, status or (), method or ())
    for file in files:
        print(f"to be made again: {file}")
    if files:
        print(f"To try again: {PROGRAM} run --config {config}")
    else:
        print(f"{folder.path}: nothing to try again")


def _refuse_at_work(run: Path) -> None:
    """Raise UserError if a workflow or a job is at work in the project of a run."""
    from benchmark.core.errors import UserError
    from benchmark.jobs import workflow_lock

    if message := workflow_lock.who_is_at_work(run.resolve().parents[1] / workflow_lock.FOLDER):
        raise UserError(message)
