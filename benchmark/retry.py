"""Takes away the parts of a run that did not go well, so that the workflow makes them anew."""

from collections.abc import Sequence
from pathlib import Path

from benchmark import columns
from benchmark.config import Config
from benchmark.errors import UserError, nearest
from benchmark.run import AGAIN, RESTORED, RunFolder, units
from benchmark.run_tables import read_json, read_table

AGAINST = tuple(s for s in columns.STATUSES if s not in (columns.OK, columns.SKIPPED))


def retry(
    config: Config, run: RunFolder, statuses: Sequence[str], labels: Sequence[str]
) -> list[Path]:
    """Remove trainings, restorings and scorings with one of `statuses`; returns their files.

    statuses: of AGAINST; all of them if empty. labels: method entries; all of them if empty.
    Checkpoints stay, trainings go on from them. Nothing is removed if a file cannot be read.
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
    found = [
        *_trainings(config, run, statuses, labels),
        *_evaluations(config, run, statuses, labels),
    ]
    for file in found:
        file.unlink()
    return found


def _trainings(config: Config, run: RunFolder, statuses, labels) -> list[Path]:
    files = [
        run.training(label, seed) / "training.json"
        for label in labels
        for seed in config.seeds_of(label)
    ]
    return [file for file in files if file.exists() and _status(file) in statuses]


def _status(file: Path) -> str:
    facts = read_json(file, AGAIN)
    if not isinstance(facts, dict) or "status" not in facts:
        raise UserError(f"{file} has no 'status'; {AGAIN}.")
    return facts["status"]


def _evaluations(config: Config, run: RunFolder, statuses, labels) -> list[Path]:
    """Tables of restored images and of their scores."""
    found = []
    for unit in units(config):
        if unit[0] in labels:
            tables = ((run.restored(*unit), RESTORED), (run.scores(*unit), columns.SCORES))
            found += [file for file, names in tables if _has(file, names, statuses)]
    return found


def _has(file: Path, names: Sequence[str], statuses: Sequence[str]) -> bool:
    return file.exists() and bool(read_table(file, names, AGAIN).status.isin(statuses).any())
