"""Takes away the parts of a run that did not go well, so that the workflow makes them anew."""

from collections.abc import Sequence
from pathlib import Path

from benchmark.core.errors import UserError, nearest
from benchmark.results import schema, training_record
from benchmark.results.layout import RECORD, RESTORED, RunFolder, score_units, units
from benchmark.results.tables import read_table
from benchmark.spec import sources
from benchmark.spec.run_config import Config

AGAINST = tuple(s for s in schema.STATUSES if s not in (schema.OK, schema.SKIPPED))
REMEDY = "delete it and call 'retry' again"


def retry(
    config: Config, run: RunFolder, statuses: Sequence[str], labels: Sequence[str]
) -> list[Path]:
    """Remove trainings, restorings and scorings with one of `statuses`; returns their files.

    Files that are missing anyway are among those returned. Checkpoints stay, trainings go on from
    them. Joined scores and the leaderboard go too: for as long as they are there, the workflow
    misses nothing. Nothing is removed if one cannot be read.

    statuses: of AGAINST; all of them if empty. labels: method entries; all of them if empty.
    Raises UserError for another status, an unknown entry, a damaged file, a run that is not there.
    """
    statuses = tuple(statuses) or AGAINST
    for status in statuses:
        if status not in AGAINST:
            raise UserError(f"Status '{status}' cannot be tried again.{nearest(status, AGAINST)}")
    for label in labels:
        config.entry(label)
    if not run.path.is_dir():
        raise UserError(f"{run.path} is not there: there is nothing to try again.")
    labels = tuple(labels) or tuple(config.methods)
    restored = [run.restored(*unit) for unit in units(config) if unit[0] in labels]
    scores = [run.scores(*unit) for unit in score_units(config) if unit[0] in labels]
    found = [
        *(file for file in _trainings(config, run, labels) if _training_is(file, statuses)),
        *(table for table in restored if _table_is(table, RESTORED, statuses)),
        *(table for table in scores if _table_is(table, schema.SCORES, statuses)),
    ]
    if found:  # these first: a kill in between must not leave a run that looks done
        for name in ("leaderboard.csv", "scores.csv"):
            (run.path / name).unlink(missing_ok=True)
        # Or an earlier workflow's count of attempts would be taken for the next one's.
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
