"""What becomes of work that a cluster ends in every attempt, for want of memory or time: a status.

Snakemake runs such a job again, with more memory, and takes away what it wrote. So the attempt that
is ended cannot leave a status. The last attempt leaves a record beside the logs, and the one after
it makes the record the status instead of working. Of a job of several units, which is run again as
a whole, the records tell which to give up.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmark.core.atomic import write_text
from benchmark.core.errors import UserError
from benchmark.core.json_io import read_json
from benchmark.jobs import isolation, slurm
from benchmark.jobs.isolation import Failure
from benchmark.results import schema

# That work, each with more memory. 'retries' in the profiles of clusters is as many, for the
# attempt that gives up, and one more for every further unit of a job.
ATTEMPTS = 3
REMEDY = "delete it and run again"
SLURM_STATES = {"TIMEOUT": schema.TIMED_OUT, "OUT_OF_MEMORY": schema.OUT_OF_MEMORY}


def run(
    work: Callable[[], int | None], minutes: float | None, attempt: int, record: Path
) -> Failure | None:
    """`guard.run(work, minutes)`, unless the attempts are used up: then how the last one ended.

    attempt: Snakemake's count, from 1. record: where this unit's last attempts are written down;
    earlier ones, and all on a machine without retries, leave nothing.
    """
    failure = _run(work, minutes, attempt, record)
    if failure:  # what ended a process could not write it into the log
        print(f"{failure.status}: {failure.reason}")
    return failure


def _run(
    work: Callable[[], int | None], minutes: float | None, attempt: int, record: Path
) -> Failure | None:
    if attempt < ATTEMPTS:
        return isolation.run(work, minutes)
    earlier = _read(record)
    if earlier and ATTEMPTS <= earlier["attempt"] < attempt:
        return _give_up(record, earlier)
    started = {"attempt": attempt, "job": os.environ.get("SLURM_JOB_ID", "")}
    _write(record, started)
    try:
        failure = isolation.run(work, minutes)
    except SystemExit as ended:
        if ended.code == isolation.USER_ERROR:  # the method is not at fault
            record.unlink()
        raise
    if failure and failure.status == schema.OUT_OF_MEMORY:
        # SLURM counts the job as failed, although only the method's process was killed.
        _write(record, {**started, "status": failure.status, "reason": failure.reason})
    else:
        record.unlink()
    return failure


def _give_up(record: Path, ended: dict[str, Any]) -> Failure:
    if "status" not in ended:
        state = slurm.state(ended["job"]) if ended["job"] else ""
        ended["status"] = SLURM_STATES.get(state, schema.FAILED)
        ended["reason"] = f"its job was ended before it was done{state and f' ({state})'}"
        if state:  # SLURM may have forgotten when it is asked again
            _write(record, ended)
    where = f", SLURM job {ended['job']}" if ended["job"] else ""
    reason = f"{ended.get('reason')}, in attempt {ended['attempt']}{where}"
    return Failure(ended["status"], reason)


def _write(record: Path, values: dict[str, Any]) -> None:
    write_text(record, json.dumps(values) + "\n")


def _read(record: Path) -> dict[str, Any] | None:
    if not record.exists():
        return None
    values = read_json(record, REMEDY)
    try:
        whole = isinstance(values["attempt"], int) and isinstance(values["job"], str)
        if not whole or ("status" in values and values["status"] not in schema.STATUSES):
            raise ValueError("unknown values")
        return values
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{record} is damaged ({error!r:.80}); {REMEDY}.") from None
