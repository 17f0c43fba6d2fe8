"""Deletes the parts of a run that failed, so that the workflow makes them again."""

from collections.abc import Sequence
from pathlib import Path

from benchmark.core.errors import UserError, nearest
from benchmark.jobs import records
from benchmark.results import schema, training_record
from benchmark.results.layout import RECORD, RESTORED, RunFolder, score_units, units
from benchmark.results.tables import read_table
from benchmark.spec import sources
from benchmark.spec.run_config import Config

RETRYABLE = tuple(s for s in schema.STATUSES if s not in (schema.OK, schema.SKIPPED))
REMEDY = "delete it and call 'retry' again"


def retry(
    config: Config, run: RunFolder, statuses: Sequence[str], labels: Sequence[str]
) -> list[Path]:
    """Delete the trainings, restorings and scorings with one of `statuses`; returns their files.

    Files that are missing already are returned too. Checkpoints stay: trainings go on from them.
    scores.csv and leaderboard.csv are deleted too, because the workflow does nothing while they are
    there. If a file cannot be read, nothing is deleted.

    statuses: of RETRYABLE; all of them if empty. labels: method entries; all of them if empty.
    Raises UserError for another status, an unknown entry, a damaged file or a missing run.
    """
    statuses = tuple(statuses) or RETRYABLE
    for status in statuses:
        if status not in RETRYABLE:
            raise UserError(f"Status '{status}' cannot be tried again.{nearest(status, RETRYABLE)}")
    for label in labels:
        config.entry(label)
    if not run.path.is_dir():
        raise UserError(f"{run.path} is not there: there is nothing to try again.")
    labels = tuple(labels) or tuple(config.methods)
    restored = [run.restored(*unit) for unit in units(config) if unit[0] in labels]
    scores = [run.scores(*unit) for unit in score_units(config) if unit[0] in labels]
    samples = [
        run.sample_scores(*unit) for unit in records.sample_units(config) if unit[0] in labels
    ]
    sets = [run.set_scores(*unit) for unit in records.set_units(config) if unit[0] in labels]
    found = [
        *(file for file in _trainings(config, run, labels) if _training_is(file, statuses)),
        *(table for table in restored if _table_is(table, RESTORED, statuses)),
        *(table for table in scores if _table_is(table, schema.SCORES, statuses)),
        *(table for table in sets if _table_is(table, schema.SET_SCORES, statuses)),
        *(table for table in samples if _table_is(table, schema.SAMPLE_SCORES, statuses)),
    ]
    if found:  # these first: after a kill in between, the run must not look finished
        for name in ("leaderboard.csv", "scores.csv"):
            (run.path / name).unlink(missing_ok=True)
        # The next workflow counts its attempts from 1.
        for record in (run.path / "logs").rglob(f"*{RECORD}"):
            record.unlink()
    for file in found:
        file.unlink(missing_ok=True)
    return found


def _trainings(config: Config, run: RunFolder, labels: Sequence[str]) -> list[Path]:
    return [
        run.training(label, seed) / "training.json"
        for label in labels
        if sources.learns(config.method_of(label))
        for seed in config.seeds_of(label)
    ]


def _training_is(file: Path, statuses: Sequence[str]) -> bool:
    """Whether a training ended with one of `statuses`, or is missing."""
    if not file.exists():
        return True
    return training_record.read(file.parent, REMEDY)["status"] in statuses


def _table_is(file: Path, names: Sequence[str], statuses: Sequence[str]) -> bool:
    """Whether a table has a row with one of `statuses`, or is missing."""
    if not file.exists():
        return True
    return bool(read_table(file, names, REMEDY).status.isin(statuses).any())
