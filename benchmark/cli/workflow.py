"""The parts of a run, in the order in which the workflow calls them."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.app import DEFAULT, ConfigFile, Label, RunPath, app, open_run

VariantName = Annotated[str, typer.Option("--variant", help="One of the entry's variants.")]
Seed = Annotated[int, typer.Option(help="Training and sampling seed.")]
Attempt = Annotated[int, typer.Option(min=1, help="How often Snakemake has tried, with this.")]
Dataset = Annotated[str, typer.Option(help="A data set of the configuration.")]


@app.command()
def check(config: ConfigFile = DEFAULT) -> None:
    """Check a configuration: its methods with their parameters and variants, its protocols."""
    from benchmark.scoring.metrics import metrics_of
    from benchmark.spec import run_config

    settings, _ = open_run(config)
    run_config.check_methods(settings, str(config))
    metrics_of(settings.protocols)
    print(f"{config}: {', '.join(settings.methods)}")


@app.command()
def images(config: ConfigFile = DEFAULT) -> None:
    """Check a run's data sets and write images.csv, the images to restore, with checksums.

    No photo that is tested may be trained on.
    """
    from benchmark.data import cards, leakage, training_files
    from benchmark.results import layout

    settings, folder = open_run(config)
    for name in sorted({*map(settings.card_of, settings.datasets), settings.train_on}):
        cards.verify(name)
    # Once for each choice of weathers: a full-size set has many thousands of headers to read.
    for weathers in {settings.weathers_of(m): None for m in settings.methods if settings.trains(m)}:
        training_files.check_training(settings.train_on, weathers)
    found = cards.find_images(settings)
    leakage.check(found, training_files.training_photos(settings.train_on))
    layout.write_csv(found, folder.images)
    print(f"{folder.images}: {len(found)} images")


@app.command()
def train(
    method: Label,
    seed: Seed = 0,
    processes: Annotated[int, typer.Option(min=1, help="Processes, one a GPU.")] = 1,
    config: ConfigFile = DEFAULT,
    attempt: Attempt = 1,
) -> None:
    """Train one method; resumes where an interrupted training stopped."""
    from benchmark.jobs import last_attempt

    settings, folder = open_run(config)
    record = folder.attempts("train", method, f"seed{seed}")
    limit = settings.time_limit_of(method)

    def work() -> int | None:
        import json

        from benchmark.jobs import train as training

        if processes > 1 and "WORLD_SIZE" not in os.environ:
            return _launch(processes)
        print(json.dumps(training.train(settings, folder, method, seed)))
        return None

    if "WORLD_SIZE" in os.environ:  # one of several processes, whose launcher is guarded
        work()
    elif failure := last_attempt.run(work, limit, attempt, record):
        from benchmark.jobs import train as training

        training.ended(folder, method, seed, failure)


def _launch(processes: int) -> int:
    """Start this command as so many processes; the exit status of the first that failed."""
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    from benchmark.jobs import isolation

    try:
        run.main([f"--nproc_per_node={processes}", "-m", "benchmark", *sys.argv[1:]])
    except ChildFailedError as error:
        _, first = error.get_first_failure()
        return first.exitcode if first.exitcode > 0 else isolation.KILLED - first.exitcode
    return 0


@app.command("export-weights")
def export_weights(
    out: Annotated[Path, typer.Option(help="Folder of the weight files.")],
    config: ConfigFile = DEFAULT,
) -> None:
    """Copy a run's trained weights in half precision, for the `weights` of other runs' entries."""
    from benchmark.jobs import train as training

    settings, folder = open_run(config)
    for file in training.export_weights(settings, folder, out):
        print(file)


@app.command("restore-dataset")
def restore_dataset(
    method: Label,
    variant: VariantName,
    dataset: Dataset,
    seed: Seed = 0,
    config: ConfigFile = DEFAULT,
    attempt: Attempt = 1,
) -> None:
    """Restore a data set with one method and variant; measure what it costs."""
    from benchmark.jobs import last_attempt

    settings, folder = open_run(config)
    record = folder.attempts("restore", method, variant, f"seed{seed}", dataset)

    def work() -> None:
        from benchmark.jobs import restore

        restore.restore(settings, folder, method, variant, seed, dataset)

    if failure := last_attempt.run(work, settings.time_limit_of(method), attempt, record):
        from benchmark.jobs import restore

        restore.restoring_ended(folder, method, variant, seed, dataset, failure)


@app.command("score-dataset")
def score_dataset(
    method: Label,
    dataset: Dataset,
    seed: Seed = 0,
    config: ConfigFile = DEFAULT,
) -> None:
    """Score what restore-dataset wrote of all variants of a method."""
    from benchmark.jobs import score

    settings, folder = open_run(config)
    score.score(settings, folder, method, seed, dataset)


@app.command()
def collect(config: ConfigFile = DEFAULT) -> None:
    """Join all parts of a run into scores.csv, cost.csv, methods.json and manifest.json.

    What was submitted to the run stays in it.
    """
    import json

    from benchmark.core.atomic import write_text
    from benchmark.exchange import submissions
    from benchmark.jobs import collect as parts
    from benchmark.jobs.manifest import capture

    settings, folder = open_run(config)
    parts.collect(settings, folder, submissions.read(folder.path, {*settings.methods}))
    manifest = capture(settings, config, folder)
    write_text(folder.path / "manifest.json", json.dumps(manifest, indent=1) + "\n")


@app.command()
def leaderboard(
    path: RunPath = Path("results/default"),
    comparisons: Annotated[
        bool, typer.Option("--comparisons", help="Also write comparisons.csv and .md.")
    ] = False,
) -> None:
    """Make leaderboard.csv and leaderboard.md from a run's scores and cost."""
    from benchmark.board.write import write_leaderboard

    write_leaderboard(path, comparisons)


@app.command()
def show(config: ConfigFile = DEFAULT) -> None:
    """Print a run's leaderboard and where its report lies."""
    from benchmark.board.write import print_leaderboard

    _, folder = open_run(config)
    print_leaderboard(folder.path)
    print(f"\nTables: {folder.path}/leaderboard.md  Report: {folder.path}/report/index.html")


@app.command()
def figures(path: RunPath = Path("results/default")) -> None:
    """Draw a run's figures."""
    from benchmark.report.figures.draw import draw_figures

    draw_figures(path)


@app.command()
def report(path: RunPath = Path("results/default")) -> None:
    """Build a run's HTML report, report/index.html."""
    from benchmark.report import build_report

    build_report(path)


@app.command()
def published(path: RunPath = Path("results/default")) -> None:
    """Write published numbers beside the run's own, published.csv and published.md."""
    from benchmark.board.published import of_run
    from benchmark.board.write import read_leaderboard
    from benchmark.core.atomic import write_text
    from benchmark.core.errors import UserError
    from benchmark.results.layout import write_csv
    from benchmark.results.tables import read_methods

    table, text = of_run(path, read_leaderboard(path), read_methods(path))
    if table.empty:
        raise UserError(f"config/published.yaml has no number on the data sets of {path}.")
    write_csv(table, path / "published.csv")
    write_text(path / "published.md", text)
    print(text)
