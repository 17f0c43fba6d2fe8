"""Verbs that do the jobs of the workflow: train, restore, score; and one that copies weights."""

import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.app import DEFAULT, ConfigFile, Label, open_run, verb

VariantName = Annotated[str, typer.Option("--variant", help="Variant of the entry.")]
Seed = Annotated[int, typer.Option(help="Training and sampling seed.")]
Attempt = Annotated[int, typer.Option(min=1, help="Number of this attempt by Snakemake.")]
Planned = Annotated[
    str,
    typer.Option("--identity", help="Identity with which the workflow planned the job."),
]
Dataset = Annotated[str, typer.Option(help="Data set of the configuration.")]


@verb(
    "train --method unet",
    "train --method unet --seed 1 --config config/reference.yaml",
    beside_others="always",
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
