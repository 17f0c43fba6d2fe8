"""The identity that each job last had, kept in the run's folder; and what has changed since."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from benchmark.core.differences import differences
from benchmark.core.errors import UserError
from benchmark.core.json_io import read_json, write_json
from benchmark.core.validation import parse
from benchmark.jobs.identity import Identities, Identity
from benchmark.results.layout import RunFolder, score_units, units
from benchmark.scoring.metrics import set_metrics_of
from benchmark.spec import sources
from benchmark.spec.run_config import Config

Names = tuple[str | int, ...]
IMAGES = ("images", ("images",))  # the job that checks and lists the images
REMEDY = "delete it, and the job runs again"


class Record(BaseModel):
    """An identity as it is stored. by_hand: whether a user called the job, and no workflow."""

    identity: str
    parts: dict[str, Any]
    definitions: dict[str, str]
    by_hand: bool = False


def write(
    run: RunFolder, work: str, names: Names, identity: Identity, by_hand: bool = False
) -> None:
    """Store the identity of a job that is done."""
    record = Record(
        identity=identity.digest,
        parts=identity.parts,
        definitions=identity.definitions,
        by_hand=by_hand,
    )
    write_json(run.identity(work, *names), record.model_dump())


def read(run: RunFolder, work: str, names: Names) -> Record | None:
    """The identity that a job had when it was last done, or None."""
    file = run.identity(work, *names)
    if not file.exists():
        return None
    return parse(Record, read_json(file, REMEDY), str(file), REMEDY)


def refuse_other(identity: Identity, planned: str, job: str) -> None:
    """Raise UserError if a job's identity is not the one that the workflow planned it with.

    planned: a digest; "" if no workflow planned the job.
    """
    if planned and planned != identity.digest:
        raise UserError(
            f"{job}: sources, data or settings were changed after the workflow had started. Start "
            "it again: it makes what the change concerns."
        )


def jobs(config: Config) -> list[tuple[str, Names]]:
    """Every training, restoring and scoring of a run: kind of work and names."""
    return [
        *(
            ("train", (label, seed))
            for label in config.methods
            if sources.learns(config.method_of(label))
            for seed in config.seeds_of(label)
        ),
        *(("restore", unit) for unit in units(config)),
        *(("score", unit) for unit in score_units(config)),
        *(("score-sets", unit) for unit in set_units(config)),
        *(("score-samples", unit) for unit in sample_units(config)),
    ]


def set_units(config: Config) -> list[tuple[str, int, str]]:
    """Every (entry, seed, data set) that a run scores as sets; none without such a protocol."""
    return score_units(config) if set_metrics_of(config.protocols) else []


def sample_units(config: Config) -> list[tuple[str, int, str]]:
    """Every (entry, seed, data set) of which a variant draws several samples."""
    drawn = {
        label
        for label in config.methods
        if any(config.samples_of(label, variant) > 1 for variant in config.variants_of(label))
    }
    return [unit for unit in score_units(config) if unit[0] in drawn]


def identity_of(identities: Identities, work: str, names: Names) -> Identity:
    """The present identity of a job."""
    makers = {
        "train": identities.training,
        "restore": identities.restoring,
        "score": identities.scoring,
        "score-sets": identities.scoring_sets,
        "score-samples": identities.scoring_samples,
    }
    return makers[work](*names)


def changed(
    config: Config, run: RunFolder, identities: Identities
) -> Iterator[tuple[str, Names, list[str]]]:
    """The jobs that would run again, each with what has changed; without those never done."""
    for work, names in jobs(config):
        if record := read(run, work, names):
            identity = identity_of(identities, work, names)
            if record.identity != identity.digest:
                yield work, names, what_changed(record, identity)


def put_outdated_aside(config: Config, run: RunFolder, identities: Identities) -> list[Path]:
    """Rename the results of jobs that were called by hand and would now run with another identity.

    Snakemake keeps no parameters of these jobs, so it would take their results for up to date. A
    result gets its name back if its identity is again the present one: what changed may have been
    a mistake. Returns the results that were put aside.
    """
    put_aside = []
    for work, names in jobs(config):
        record = read(run, work, names)
        if not (record and record.by_hand):
            continue
        file, other = output(run, work, names), aside(run, work, names)
        if record.identity != identity_of(identities, work, names).digest:
            if file.exists():
                file.replace(other)
                put_aside.append(file)
        elif other.exists() and not file.exists():
            other.replace(file)
    return put_aside


def aside(run: RunFolder, work: str, names: Names) -> Path:
    """Where the outdated result of a job that was called by hand waits."""
    file = output(run, work, names)
    return file.with_name(f"{file.name}.outdated")


def output(run: RunFolder, work: str, names: Names) -> Path:
    """The file that the workflow expects of a job."""
    outputs = {
        "train": lambda *unit: run.training(*unit) / "training.json",
        "restore": run.restored,
        "score": run.scores,
        "score-sets": run.set_scores,
        "score-samples": run.sample_scores,
    }
    return outputs[work](*names)


def what_changed(record: Record, identity: Identity) -> list[str]:
    """The parts that differ, as text: `settings.steps: 500 → 600`."""
    old, new = record.parts.copy(), identity.parts.copy()
    if old.pop("sources", None) != new.pop("sources", None):
        return [*differences(old, new), *_sources(record.definitions, identity.definitions)]
    return [*differences(old, new)]


def _sources(old: dict[str, str], new: dict[str, str]) -> Iterator[str]:
    edited = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
    if edited:
        yield f"sources: {', '.join(edited[:5])}{' …' if len(edited) > 5 else ''}"
