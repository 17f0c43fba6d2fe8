"""Deletes the parts of a run that failed, so that the workflow makes them again."""

from collections.abc import Sequence
from pathlib import Path

from benchmark.core.errors import UserError, nearest
from benchmark.jobs import records
from benchmark.results import schema, training_record
from benchmark.results.layout import RECORD, RESTORED, RunFolder
from benchmark.results.tables import read_table
from benchmark.spec.run_config import Config

RETRYABLE = tuple(s for s in schema.STATUSES if s not in (schema.OK, schema.SKIPPED))
COLUMNS = {  # of the table that a job writes
    "restore": RESTORED,
    "score": schema.SCORES,
    "score-sets": schema.SET_SCORES,
    "score-samples": schema.SAMPLE_SCORES,
}
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
    files = [
        (work, records.output(run, work, names))
        for work, names in records.jobs(config)
        if names[0] in labels
    ]
    found = [file for work, file in files if _ended(work, file, statuses)]
    if found:  # these first: after a kill in between, the run must not look finished
        for name in ("leaderboard.csv", "scores.csv"):
            (run.path / name).unlink(missing_ok=True)
        # The next workflow counts its attempts from 1.
        for record in (run.path / "logs").rglob(f"*{RECORD}"):
            record.unlink()
    for file in found:
        file.unlink(missing_ok=True)
    return found


def _ended(work: str, file: Path, statuses: Sequence[str]) -> bool:
    """Whether a job ended with one of `statuses`, of any image, or its file is missing."""
    if not file.exists():
        return True
    if work == "train":
        return training_record.read(file.parent, REMEDY)["status"] in statuses
    return bool(read_table(file, COLUMNS[work], REMEDY)["status"].isin(statuses).any())
