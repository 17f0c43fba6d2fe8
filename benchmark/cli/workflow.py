"""Verbs that the workflow calls, in its order."""

import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.app import DEFAULT, ConfigFile, Label, RunPath, open_run, verb

VariantName = Annotated[str, typer.Option("--variant", help="Variant of the entry.")]
Seed = Annotated[int, typer.Option(help="Training and sampling seed.")]
Attempt = Annotated[int, typer.Option(min=1, help="Number of this attempt by Snakemake.")]
SourceFile = Annotated[
    Path | None, typer.Option("--source", help="The file that the configuration was copied from.")
]
Planned = Annotated[
    str,
    typer.Option("--identity", help="Identity with which the workflow planned the job."),
]
Dataset = Annotated[str, typer.Option(help="Data set of the configuration.")]


@verb("check --config config/reference.yaml", lock=False)
def check(config: ConfigFile = DEFAULT, source: SourceFile = None) -> None:
    """Check a configuration: methods, parameters, variants, protocols; load its weight files."""
    import psutil

    from benchmark.core.errors import UserError
    from benchmark.data import cards
    from benchmark.jobs import isolation, resolve
    from benchmark.scoring.metrics import metrics_of
    from benchmark.spec import run_config

    settings, folder = open_run(config)
    name = str(source or config)
    try:
        metrics_of(settings.protocols)
    except UserError as error:
        raise UserError(f"{name}: protocols: {error}") from None
    cards.check_choices(settings, name)
    memory = psutil.virtual_memory().total
    run_config.check_memory(settings, name, memory)

    def work() -> list[str]:
        from benchmark.jobs.checks import check_precision, check_training_memory, check_weights

        warnings = [*run_config.check_methods(settings, name), *check_weights(settings, name)]
        warnings += check_precision(settings, name, resolve.recorded(folder))
        return warnings + check_training_memory(settings, name, memory)

    found = isolation.run(work)
    if isinstance(found, isolation.Failure):
        found = [f"{name}: methods: a file in methods/ cannot be checked: {found.reason}"]
    for warning in found:
        print(f"warning: {warning}", file=sys.stderr)
    print(f"{name}: {', '.join(settings.methods)}")


@verb("resolve --config config/reference.yaml --cores 2")
def resolve(
    config: ConfigFile = DEFAULT,
    cores: Annotated[
        int | None, typer.Option(min=1, help="Cores of this machine; without it, a cluster's.")
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Processes of each training.")
    ] = None,
) -> None:
    """Record the device and the number of threads with which a run computes, if it has none."""
    from benchmark.jobs.resolve import resolve as resolve_run

    _, folder = open_run(config)
    print(resolve_run(folder, cores, processes).model_dump_json())


@verb("make-sets --config config/study.yaml")
def make_sets(config: ConfigFile = DEFAULT) -> None:
    """Make those data sets of a run whose cards say that they are made here, if not there."""
    from benchmark.data import made_sets

    settings, _ = open_run(config)
    for name in made_sets.in_run(settings):
        print(f"{name}: {'made' if made_sets.make(name) else 'is there as it should be'}")


@verb("images --config config/default.yaml")
def images(config: ConfigFile = DEFAULT) -> None:
    """Check the data sets of a run and write images.csv, the test images with checksums.

    A fault of a test image is an error, and so is a test photo that is also in the training data.
    Faults of other files are warnings: the trainings that need them will fail.
    """
    from benchmark.core import paths
    from benchmark.data import cards, training_files
    from benchmark.data.cards import raise_faults
    from benchmark.jobs import records, resolve
    from benchmark.jobs.identity import Identities
    from benchmark.results import layout

    settings, folder = open_run(config)
    found = cards.find_images(settings)
    tested = {paths.ROOT / path for path in {*found.input, *found.target} if path}
    for name in sorted({*map(settings.card_of, settings.datasets), settings.train_on}):
        faults = cards.manifest_faults(name)
        raise_faults(name, {"files": [faults[path] for path in faults if path in tested]})
        _warn(f"{fault}: what needs this file will fail" for fault in faults.values())
    unused = set()
    # Once for each choice of weathers, because a full-size set has many thousands of files to read.
    for weathers in {settings.weathers_of(m): None for m in settings.methods if settings.trains(m)}:
        faults, files = training_files.find_faults(settings.train_on, weathers)
        unused |= files
        _warn(f"{f}: trainings with this file will fail" for kind in faults.values() for f in kind)
    for name, choice in settings.datasets.items():
        for line in cards.left_out(settings.card_of(name), choice.split):
            print(line, file=sys.stderr)
    _refuse_leaks(found, settings.train_on, unused)
    layout.write_csv(found, folder.images)
    records.write(folder, *records.IMAGES, Identities(settings, resolve.recorded(folder)).images())
    print(f"{folder.images}: {len(found)} images")


def _refuse_leaks(found, name: str, warned_of: set[Path]) -> None:
    """Compare the test images with the training photos that can be read; warn of the others.

    All of the set's training photos, also if no entry of the run trains on them.
    """
    from benchmark.data import leakage, training_files

    photos = [p for p in training_files.training_photos(name) if p not in warned_of]
    unreadable = training_files.find_unreadable(photos, name)
    _warn(f"{fault}: it is not compared with the test photos" for fault in unreadable.values())
    leakage.check(found, [photo for photo in photos if photo not in unreadable])


def _warn(lines: Iterable[str]) -> None:
    for line in lines:
        print(f"warning: {line}", file=sys.stderr)


@verb(
    "train --method unet",
    "train --method unet --seed 1 --config config/reference.yaml",
    beside_others=True,
    networks=True,
)
def train(
    method: Label,
    seed: Seed = 0,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Processes, one for each GPU.")
    ] = None,
    config: ConfigFile = DEFAULT,
    attempt: Attempt = 1,
    planned: Planned = "",
) -> None:
    """Train one method; an interrupted training goes on where it stopped."""
    from benchmark.jobs import last_attempt, outcome, ranks

    if ranks.is_launched():
        ranks.end_with_launcher()
    settings, folder = open_run(config)
    job = _Job(settings, folder, "train", (method, seed), planned, processes)

    # jobs.train imports torch: only the forked process may do so (see jobs.isolation).
    def work():
        from benchmark.jobs import train

        job.compute_as_resolved()
        return train.train(settings, folder, method, seed, job.identity)

    def launch_work():
        from benchmark.jobs import launch

        return launch.launch(job.resolved.processes, sys.argv[1:])

    if ranks.is_launched():
        ranks.report(work())
        return
    record, limit = folder.attempts("train", method, f"seed{seed}"), settings.time_limit_of(method)
    several = job.resolved.processes > 1
    with job.on_own_gpus(job.resolved.processes):
        result = last_attempt.run(launch_work if several else work, limit, attempt, record)
    outcome.write_training(folder, method, seed, result, job.log())
    job.record()
    job.end(result)


class _Job:
    """What decides the result of a job: what the run resolved, and the job's identity.

    planned: the identity with which the workflow planned the job; "" if a user calls it. Raises
    UserError if it is another one.
    """

    def __init__(self, config, folder, work: str, names: tuple, planned: str, processes=None):
        from benchmark.jobs import records, resolve
        from benchmark.jobs.identity import Identities

        self.folder, self.work, self.names = folder, work, names
        self.by_hand = not planned
        self.resolved = resolve.resolve(folder, resolve.threads_here(), processes)
        identities = Identities(config, self.resolved)
        self.identity = records.identity_of(identities, work, names)
        records.refuse_other(self.identity, planned, f"{work} {' '.join(map(str, names))}")

    def compute_as_resolved(self) -> None:
        from benchmark.jobs import resolve

        resolve.apply(self.resolved, self.folder.resolved)

    def on_own_gpus(self, count: int) -> AbstractContextManager:
        """Inside, processes that are started see `count` GPUs that no other job has.

        On a cluster the job has those that it was given.
        """
        from benchmark.jobs import gpus

        if self.resolved.device != "cuda" or self.resolved.gpus is None:
            return nullcontext()
        return gpus.taken(count, gpus.visible(self.resolved.gpus))

    def record(self) -> None:
        """Store the identity, once the job's results are written."""
        from benchmark.jobs import records

        records.write(self.folder, self.work, self.names, self.identity, self.by_hand)
        records.aside(self.folder, self.work, self.names).unlink(missing_ok=True)

    def log(self) -> Path | None:
        """The log that the workflow writes of the job; None if a user calls it."""
        names = (f"seed{name}" if isinstance(name, int) else name for name in self.names)
        return None if self.by_hand else self.folder.log(self.work, *names)

    def end(self, result) -> None:
        """Raise UserError if a user called the job and it gave nothing; a workflow goes on.

        result: facts, a table with a status for each image, or a Failure.
        """
        if not self.by_hand:
            return
        import pandas as pd

        from benchmark.core.errors import UserError
        from benchmark.jobs.isolation import Failure
        from benchmark.results import schema

        if isinstance(result, pd.DataFrame) and len(result):
            done = result.status.isin((schema.OK, schema.SKIPPED)).any()
            first = result.iloc[0]
            result = None if done else Failure(first.status, first.reason)
        if isinstance(result, Failure):
            names = " ".join(map(str, self.names))
            raise UserError(f"{self.work} {names}: {result.status}: {result.reason}")


@verb("export-weights --out weights --config config/reference.yaml")
def export_weights(
    out: Annotated[Path, typer.Option(help="Folder for the weight files.")],
    config: ConfigFile = DEFAULT,
) -> None:
    """Copy a run's trained weights in half precision, for `weights` in other configurations."""
    from benchmark.jobs import train

    settings, folder = open_run(config)
    for file in train.export_weights(settings, folder, out):
        print(file)


@verb("restore-dataset --method unet --variant default --dataset photos", networks=True)
def restore_dataset(
    method: Label,
    variant: VariantName,
    dataset: Dataset,
    seed: Seed = 0,
    config: ConfigFile = DEFAULT,
    attempt: Attempt = 1,
    planned: Planned = "",
) -> None:
    """Restore a data set with one method and variant; measure its cost."""
    from benchmark.jobs import last_attempt, outcome

    settings, folder = open_run(config)
    unit = (method, variant, seed, dataset)
    job = _Job(settings, folder, "restore", unit, planned)
    record = folder.attempts("restore", method, variant, f"seed{seed}", dataset)

    def work():
        from benchmark.jobs import restore

        job.compute_as_resolved()
        return restore.restore(settings, folder, *unit, job.identity, job.log())

    with job.on_own_gpus(1):
        result = last_attempt.run(work, settings.time_limit_of(method), attempt, record)
    outcome.write_restored(folder, *unit, result, job.identity, job.log())
    job.record()
    job.end(result)


@verb("score-dataset --method unet --dataset photos")
def score_dataset(
    method: Label,
    dataset: Dataset,
    seed: Seed = 0,
    config: ConfigFile = DEFAULT,
    planned: Planned = "",
) -> None:
    """Score the restored images of all variants of a method."""
    from benchmark.jobs import score

    settings, folder = open_run(config)
    job = _Job(settings, folder, "score", (method, seed, dataset), planned)
    score.score(settings, folder, method, seed, dataset, job.identity)
    job.record()


@verb("score-sets --method unet --dataset photos")
def score_sets(
    method: Label,
    dataset: Dataset,
    seed: Seed = 0,
    config: ConfigFile = DEFAULT,
    planned: Planned = "",
) -> None:
    """Score the restored images of all variants of a method as sets."""
    from benchmark.core.errors import UserError
    from benchmark.jobs import score
    from benchmark.scoring.metrics import SET_METRICS, set_metrics_of

    settings, folder = open_run(config)
    if not set_metrics_of(settings.protocols):
        names = ", ".join(metric.protocol.name for metric in SET_METRICS)
        raise UserError(f"{config}: protocols: none of them scores sets; add one of: {names}.")
    job = _Job(settings, folder, "score-sets", (method, seed, dataset), planned)
    score.score_sets(settings, folder, method, seed, dataset)
    job.record()


@verb("score-samples --method conditional_diffusion --dataset photos")
def score_samples(
    method: Label,
    dataset: Dataset,
    seed: Seed = 0,
    config: ConfigFile = DEFAULT,
    planned: Planned = "",
) -> None:
    """Score the samples of the variants of a method that draw some."""
    from benchmark.core.errors import UserError
    from benchmark.jobs import records, score

    settings, folder = open_run(config)
    if (method, seed, dataset) not in records.sample_units(settings):
        raise UserError(f"{config}: methods.{method}: no variant of it has the key 'samples'.")
    job = _Job(settings, folder, "score-samples", (method, seed, dataset), planned)
    score.score_samples(settings, folder, method, seed, dataset)
    job.record()


@verb("collect --config config/default.yaml")
def collect(config: ConfigFile = DEFAULT, source: SourceFile = None) -> None:
    """Join all parts of a run into scores.csv, cost.csv, methods.json and manifest.json.

    Submissions to the run stay in it.
    """
    from benchmark.core.json_io import write_json
    from benchmark.exchange import submissions
    from benchmark.jobs import collect, records
    from benchmark.jobs.identity import Identities
    from benchmark.jobs.manifest import make_manifest

    settings, folder = open_run(config)
    submitted = submissions.read(folder.path, {*settings.methods})
    collect.collect(settings, folder, submitted, submissions.read_set_scores(folder.path))
    write_json(folder.path / "manifest.json", make_manifest(settings, source or config, folder))
    # A mark that the workflow has done this. Of what a user called it would not see later changes.
    if source:
        records.write(folder, "collect", ("board",), Identities(settings).board())
    else:
        folder.identity("collect", "board").unlink(missing_ok=True)


@verb("leaderboard results/default")
def leaderboard(path: RunPath = Path("results/default")) -> None:
    """Make the leaderboard and the comparisons from the scores and costs of a run."""
    from benchmark.board.write import write_leaderboard

    write_leaderboard(path)


@verb("figures results/default")
def figures(path: RunPath = Path("results/default")) -> None:
    """Draw the figures of a run."""
    from benchmark.report.figures.draw import draw_figures

    draw_figures(path)


@verb("report results/default")
def report(path: RunPath = Path("results/default")) -> None:
    """Build the HTML report of a run, report/index.html."""
    from benchmark.report.build import build_report

    build_report(path)


@verb("published results/default")
def published(path: RunPath = Path("results/default")) -> None:
    """Compare with published numbers: write published.csv and published.md."""
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
