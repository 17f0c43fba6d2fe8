"""What becomes of work that a cluster ends in every attempt, for want of memory or time: a status.

Snakemake runs such a job again, with more memory, and takes away what it wrote. So the attempt that
is ended cannot leave a status. The last attempt leaves a record beside the logs, and the one after
it makes the record the status instead of working. Of a job of several units, which is run again as
a whole, the records tell which to give up.
"""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

from benchmark import columns, guard
from benchmark.atomic import write_text
from benchmark.errors import UserError
from benchmark.guard import Failure

# That work, each with more memory. 'retries' in the profiles of clusters is as many, for the
# attempt that gives up, and one more for every further unit of a job.
ATTEMPTS = 3


def run(
    work: Callable[[], int | None], minutes: float | None, attempt: int, record: Path
) -> Failure | None:
    """`guard.run(work, minutes)`, unless the attempts are used up: then how the last one ended.

    attempt: Snakemake's count, from 1. record: where this unit's last attempts are written down;
    earlier ones, and all on a machine without retries, leave nothing.
    """
    if attempt < ATTEMPTS:
        return guard.run(work, minutes)
    earlier, failure = _read(record)
    if ATTEMPTS <= earlier < attempt:
        print(f"given up: {failure.status}: {failure.reason}")
        return failure
    _note(record, attempt, columns.FAILED, "its job was ended before it was done")
    try:
        failure = guard.run(work, minutes)
    except SystemExit as ended:
        if ended.code == guard.KILLED + signal.SIGTERM:
            _note(record, attempt, columns.TIMED_OUT, "its job was ended when its time was over")
        else:  # a UserError: the method is not at fault
            record.unlink()
        raise
    if failure and failure.status == columns.OUT_OF_MEMORY:
        # SLURM counts the job as failed, although only the method's process was killed.
        _note(record, attempt, failure.status, failure.reason)
    else:
        record.unlink()
    return failure


def _note(record: Path, attempt: int, status: str, reason: str) -> None:
    job = os.environ.get("SLURM_JOB_ID")
    where = f" (SLURM job {job})" if job else ""
    reason = f"{reason}, in attempt {attempt}{where}"
    write_text(record, json.dumps({"attempt": attempt, "status": status, "reason": reason}) + "\n")


def _read(record: Path) -> tuple[int, Failure | None]:
    """The attempt that a record is of, and how it ended; 0 if there is no record."""
    try:
        values = json.loads(record.read_text(encoding="utf-8"))
        if values["status"] not in columns.STATUSES:
            raise ValueError(f"status {values['status']!r:.40}")
        return int(values["attempt"]), Failure(values["status"], str(values["reason"]))
    except FileNotFoundError:
        return 0, None
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{record} is damaged ({error!r:.80}): delete it, run again.") from None
