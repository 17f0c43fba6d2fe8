"""The command line, `python -m benchmark VERB`. Each verb imports only what it needs."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmark.errors import UserError

app = typer.Typer(
    help="A benchmark of weather removal. 'make benchmark' runs all of it; each verb is one part.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

ConfigFile = Annotated[Path, typer.Option("--config", help="A run's configuration.")]
Label = Annotated[str, typer.Option("--method", help="A method entry of the configuration.")]
VariantName = Annotated[str, typer.Option("--variant", help="One of the entry's variants.")]
Seed = Annotated[int, typer.Option(help="Training and sampling seed.")]
Dataset = Annotated[str, typer.Option(help="A data set of the configuration.")]
DEFAULT = Path("config/default.yaml")


@app.command()
def check(config: ConfigFile = DEFAULT) -> None:
    """Check a configuration: its methods with their parameters and variants, its protocols."""
    from benchmark import config as configuration
    from benchmark.metrics import metrics_of

    settings, _ = _open(config)
    configuration.check_methods(settings, str(config))
    metrics_of(settings.protocols)
    print(f"{config}: {', '.join(settings.methods)}")


@app.command()
def images(config: ConfigFile = DEFAULT) -> None:
    """Check a run's data sets and write images.csv, the images to restore, with checksums.

    No photo that is tested may be trained on.
    """
    from benchmark import datasets, leaks, run

    settings, folder = _open(config)
    for name in sorted({*map(settings.card_of, settings.datasets), settings.train_on}):
        datasets.verify(name)
    found = datasets.find_images(settings)
    leaks.check(found, datasets.training_photos(settings.train_on))
    run.write_csv(found, folder.images)
    print(f"{folder.images}: {len(found)} images")


@app.command()
def train(
    method: Label,
    seed: Seed = 0,
    processes: Annotated[int, typer.Option(min=1, help="Processes, one a GPU.")] = 1,
    config: ConfigFile = DEFAULT,
) -> None:
    """Train one method; resumes where an interrupted training stopped."""
    import json
    import os

    from benchmark import jobs

    if processes > 1 and "WORLD_SIZE" not in os.environ:
        launcher = ["-m", "torch.distributed.run", f"--nproc_per_node={processes}"]
        os.execv(sys.executable, [sys.executable, *launcher, "-m", "benchmark", *sys.argv[1:]])
    settings, folder = _open(config)
    result = jobs.train(settings, folder, method, seed)
    print(json.dumps(result))


@app.command("export-weights")
def export_weights(
    out: Annotated[Path, typer.Option(help="Folder of the weight files.")],
    config: ConfigFile = DEFAULT,
) -> None:
    """Copy a run's trained weights in half precision, for the `weights` of other runs' entries."""
    from benchmark import jobs

    settings, folder = _open(config)
    for file in jobs.export_weights(settings, folder, out):
        print(file)


@app.command("restore-dataset")
def restore_dataset(
    method: Label,
    variant: VariantName,
    dataset: Dataset,
    seed: Seed = 0,
    config: ConfigFile = DEFAULT,
) -> None:
    """Restore a data set with one method and variant; measure what it costs."""
    from benchmark import jobs

    settings, folder = _open(config)
    jobs.restore(settings, folder, method, variant, seed, dataset)


@app.command()
def restore(
    photos: Annotated[list[Path], typer.Argument(help="Photos of any size.")],
    out: Annotated[Path, typer.Option(help="Folder of the restored photos.")],
    method: Label = "conditional_diffusion",
    variant: Annotated[str | None, typer.Option(help="The entry's first if none.")] = None,
    config: ConfigFile = DEFAULT,
) -> None:
    """Restore your own photos with a method that a run has trained."""
    from benchmark import jobs

    settings, folder = _open(config)
    jobs.restore_photos(settings, folder, method, variant, photos, out)


@app.command("score-dataset")
def score_dataset(
    method: Label,
    variant: VariantName,
    dataset: Dataset,
    seed: Seed = 0,
    config: ConfigFile = DEFAULT,
) -> None:
    """Score what restore-dataset wrote."""
    from benchmark import jobs

    settings, folder = _open(config)
    jobs.score(settings, folder, method, variant, seed, dataset)


@app.command()
def collect(config: ConfigFile = DEFAULT) -> None:
    """Join all parts of a run into scores.csv, cost.csv, methods.json and manifest.json."""
    import json

    from benchmark import environment, run
    from benchmark.atomic import write_text

    settings, folder = _open(config)
    run.collect(settings, folder)
    manifest = environment.capture(settings, config)
    write_text(folder.path / "manifest.json", json.dumps(manifest, indent=1) + "\n")


RunPath = Annotated[Path, typer.Argument(help="A run's folder.", metavar="RUN")]


@app.command()
def leaderboard(path: RunPath = Path("results/default")) -> None:
    """Make leaderboard.csv and leaderboard.md from a run's scores and cost."""
    from benchmark.leaderboard import write_leaderboard

    write_leaderboard(path)


@app.command()
def show(config: ConfigFile = DEFAULT) -> None:
    """Print a run's leaderboard and where its report lies."""
    from benchmark.leaderboard import print_leaderboard

    _, folder = _open(config)
    print_leaderboard(folder.path)
    print(f"\nTables: {folder.path}/leaderboard.md  Report: {folder.path}/report/index.html")


@app.command()
def figures(path: RunPath = Path("results/default")) -> None:
    """Draw a run's figures."""
    from benchmark.figures import draw_figures

    draw_figures(path)


@app.command()
def report(path: RunPath = Path("results/default")) -> None:
    """Build a run's HTML report, report/index.html."""
    from benchmark.report import build_report

    build_report(path)


@app.command()
def score(
    restored: Annotated[Path, typer.Option(help="Folder of restored images.")],
    out: Annotated[Path, typer.Option(help="CSV file to write.")],
    target: Annotated[
        Path | None, typer.Option(help="Folder of ground truth, paired by file stem; if any.")
    ] = None,
    protocol: Annotated[list[str] | None, typer.Option(help="Protocols; all if none.")] = None,
) -> None:
    """Score any folder of images in the benchmark's protocols."""
    from benchmark.run import write_csv
    from benchmark.scoring import problems, score_folder

    scores = score_folder(restored, target, protocol)
    write_csv(scores, out)
    means = scores[scores.status == "ok"].groupby(["protocol", "metric"], sort=False).value
    for (name, metric), values in means:
        print(f"{name:12} {metric:6} {values.mean():9.4f}  mean of {len(values)} images")
    for problem in problems(scores):
        print(f"not scored: {problem}", file=sys.stderr)


@app.command()
def profile(
    out: Annotated[
        Path | None, typer.Option(help="JSON file; the run's profile.json if none.")
    ] = None,
    images: Annotated[
        int, typer.Option(min=1, help="Images that the published default restores, minutes each.")
    ] = 5,
    config: ConfigFile = DEFAULT,
) -> None:
    """Measure how well the suite uses this machine, and our sampling against the published."""
    from benchmark import profiling

    settings, folder = _open(config)
    report = profiling.profile(settings, folder, images)
    profiling.write(report, out or folder.path / "profile.json")
    print(profiling.as_table(report))


@app.command("list")
def list_methods() -> None:
    """List the methods with what they need."""
    from benchmark import registry

    for name in registry.available():
        card = registry.load(name).card
        print(f"{name:24} {card.supervision:11} {card.title}")


@app.command("make-data")
def make_data(
    photos: Annotated[Path, typer.Option(help="Folder of photographs with manifest.csv.")],
    weights: Annotated[Path, typer.Option(help="Folder of the metrics' weights.")],
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("data"),
    seed: Annotated[int, typer.Option(help="Seed of the simulated weather.")] = 0,
    overwrite: Annotated[bool, typer.Option(help="Replace what is in the folder.")] = False,
) -> None:
    """Make the bundled data from the photographs, bit for bit."""
    from benchmark.make_data import make_data as make

    manifest = make(photos, out, seed, weights=weights, overwrite=overwrite)
    print(f"{out}: {len(manifest['files'])} files, {len(manifest['pairs'])} pairs")


@app.command("remake-pairs")
def remake_pairs(
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    data: Annotated[Path, typer.Option(help="The bundled data.")] = Path("data"),
) -> None:
    """Make the bundled pairs anew from their targets; fails if a byte differs."""
    from benchmark.make_pairs import remake_pairs as remake

    differing = remake(data, out)
    if differing:
        raise UserError(f"{len(differing)} pairs differ from {data}: {', '.join(differing[:5])}")
    print(f"{out}: all pairs are identical to those of {data}")


def _open(config: Path):
    from benchmark import config as configuration
    from benchmark.run import RunFolder

    settings = configuration.load(config)
    return settings, RunFolder(Path("results") / settings.name)


def main() -> None:
    """Run the command line; a UserError is printed without a traceback and exits with 1."""
    try:
        app()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
