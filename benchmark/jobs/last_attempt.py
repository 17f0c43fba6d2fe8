"""Gives a job that a cluster stops in every attempt (out of memory or time) a status.

If a cluster stops a job, Snakemake deletes the job's output and runs it again with more memory. So
a stopped job cannot write its own status. From attempt 3 on, a record beside its log does:

    before the work               the record is written
    work done, or failed          the record is deleted
    its process out of memory     the record is kept with this status: SLURM fails the whole job
    job stopped                   the record is still there; SLURM is asked why the job stopped
    next attempt finds a record   no work is done; the record becomes the status

Each unit of a grouped job has a record of its own, so that the other units go on.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field

from benchmark.core.atomic import write_text
from benchmark.core.errors import UserError
from benchmark.jobs import isolation, slurm
from benchmark.jobs.isolation import Failure
from benchmark.results import schema

# The clusters' profiles set `retries` to this number, plus one for each further unit of a job.
ATTEMPTS = 3
STATUS_OF_STATE = {"TIMEOUT": schema.TIMED_OUT, "OUT_OF_MEMORY": schema.OUT_OF_MEMORY}


class Record(BaseModel):
    """An attempt that has started. job: its number in SLURM, or "".

    status and reason are empty until it is known how the attempt ended.
    """

    attempt: int = Field(ge=ATTEMPTS)
    job: str
    status: Literal[schema.FAILED, schema.OUT_OF_MEMORY, schema.TIMED_OUT] | None = None
    reason: str = ""


def run(work: Callable[[], Any], minutes: float | None, attempt: int, record_file: Path) -> Any:
    """`isolation.run(work, minutes)`; after the last attempt the recorded Failure, without work.

    attempt: Snakemake's count, from 1. record_file: the place of this unit's record. Raises
    UserError if the record is damaged.
    """
    if attempt < ATTEMPTS:
        result = isolation.run(work, minutes)
    elif (record := _read(record_file)) and record.attempt < attempt:
        result = _give_up(record, record_file)
    else:
        result = _run_recorded(work, minutes, attempt, record_file)
    if isinstance(result, Failure):  # a process that was killed could not write it into the log
        print(f"{result.status}: {result.reason}")
    return result


def _run_recorded(
    work: Callable[[], Any], minutes: float | None, attempt: int, record_file: Path
) -> Any:
    record = Record(attempt=attempt, job=os.environ.get("SLURM_JOB_ID", ""))
    _write(record, record_file)
    try:
        result = isolation.run(work, minutes)
    except UserError:  # not the method's fault
        record_file.unlink()
        raise
    if isinstance(result, Failure) and result.status == schema.OUT_OF_MEMORY:
        record.status, record.reason = result.status, result.reason
        _write(record, record_file)
    else:
        record_file.unlink()
    return result


def _give_up(record: Record, record_file: Path) -> Failure:
    """The failure that a record stands for."""
    if record.status is None:
        state = slurm.job_state(record.job) if record.job else ""
        record.status = STATUS_OF_STATE.get(state, schema.FAILED)
        record.reason = f"its job was ended before it was done{state and f' ({state})'}"
        if state:  # SLURM forgets its jobs, so the answer is kept
            _write(record, record_file)
    job = f", SLURM job {record.job}" if record.job else ""
    return Failure(record.status, f"{record.reason}, in attempt {record.attempt}{job}")


def _write(record: Record, file: Path) -> None:
    write_text(file, record.model_dump_json() + "\n")


def _read(file: Path) -> Record | None:
    try:
        return Record.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:  # pydantic's: not JSON, or a key with a wrong value
        raise UserError(f"{file} is damaged; delete it and run again.") from None
