"""A job that a cluster stops in every attempt gets a status with a reason; other jobs go on."""

import json
import os
import signal
import time

import psutil
import pytest

from benchmark.core.errors import UserError
from benchmark.jobs import isolation, last_attempt
from benchmark.jobs.isolation import Failure
from benchmark.results import schema
from tests.forks import forked


@pytest.fixture
def record(tmp_path):
    return tmp_path / "logs" / "unit.attempts.json"


def counted(tmp_path):
    """Work, and a function that returns how often it was called."""
    calls = tmp_path / "calls"
    calls.touch()

    def work():
        with calls.open("a") as file:
            file.write("x")

    return work, lambda: len(calls.read_text())


def is_ended(record, attempt, started, number=signal.SIGKILL):
    """Start an attempt that works for a minute; kill all its processes, as a cluster does."""

    def works_for_a_minute():
        started.touch()
        time.sleep(60)

    def attempts():
        os.environ["SLURM_JOB_ID"] = "12"
        last_attempt.run(works_for_a_minute, None, attempt, record)

    started.unlink(missing_ok=True)
    process = forked(attempts)
    while not started.exists():
        assert process.status() != psutil.STATUS_ZOMBIE
        time.sleep(0.01)
    os.killpg(process.pid, number)
    process.wait(20)


@pytest.mark.parametrize(
    ("state", "status", "says"),
    [
        ("TIMEOUT", "timed-out", "its job was ended before it was done (TIMEOUT)"),
        ("OUT_OF_MEMORY", "out-of-memory", "its job was ended before it was done (OUT_OF_MEMORY)"),
        ("NODE_FAIL", "failed", "its job was ended before it was done (NODE_FAIL)"),
        ("", "failed", "its job was ended before it was done"),
    ],
)
def test_work_that_is_ended_three_times_is_given_up(
    tmp_path, record, monkeypatch, state, status, says
):
    """`squeue` here is a program that answers once about job 12, because SLURM forgets jobs."""
    squeue = tmp_path / "squeue"
    squeue.write_text(f'#!/bin/sh\n[ "$2" = 12 ] && echo {state}\nrm "$0"\n')
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    work, calls = counted(tmp_path)
    for attempt in (1, 2):
        is_ended(record, attempt, tmp_path / "started")
        assert not record.exists()
    is_ended(record, 3, tmp_path / "started")
    # Another unit of the same job may use up attempts too: this one keeps its status.
    for attempt in (4, 5, 6):
        failure = last_attempt.run(work, None, attempt, record)
        assert failure == Failure(status, f"{says}, in attempt 3, SLURM job 12")
    assert calls() == 0


def test_a_new_workflow_tries_again(tmp_path, record):
    work, calls = counted(tmp_path)
    is_ended(record, 3, tmp_path / "started")
    for attempt in (1, 2, 3):
        assert last_attempt.run(work, None, attempt, record) is None
        assert calls() == attempt
    assert not record.exists()
    # It was done in the third attempt, but another unit of its job was not.
    assert last_attempt.run(work, None, 4, record) is None
    assert calls() == 4


def test_a_unit_that_starts_late_is_given_up_an_attempt_later(tmp_path, record):
    work, _ = counted(tmp_path)
    is_ended(record, 5, tmp_path / "started")
    assert "in attempt 5" in last_attempt.run(work, None, 6, record).reason


def test_a_record_of_an_earlier_workflow_gives_nothing_up(tmp_path, record):
    """An earlier workflow gave the unit up; in this one, its first attempt is the fourth."""
    work, calls = counted(tmp_path)
    is_ended(record, 4, tmp_path / "started")
    assert last_attempt.run(work, None, 4, record) is None
    assert calls() == 1


def test_memory_that_runs_out_is_remembered(monkeypatch, tmp_path, record):
    """SLURM fails the whole job, although only the method's process was killed."""
    work, calls = counted(tmp_path)
    failure = Failure(schema.OUT_OF_MEMORY, "killed")
    monkeypatch.setattr(isolation, "run", lambda *_: failure)
    assert [last_attempt.run(work, None, attempt, record) for attempt in (1, 2, 3)] == 3 * [failure]
    monkeypatch.undo()
    given_up = last_attempt.run(work, None, 4, record)
    assert given_up == Failure(schema.OUT_OF_MEMORY, "killed, in attempt 3")
    assert calls() == 0


def test_an_attempt_that_is_asked_to_end_counts(tmp_path, record):
    work, calls = counted(tmp_path)
    is_ended(record, 3, tmp_path / "started", signal.SIGTERM)
    assert "ended before it was done" in last_attempt.run(work, None, 4, record).reason
    assert calls() == 0


@pytest.mark.parametrize("attempt", [1, 3])
def test_other_failures_are_a_status_at_once_and_said(record, capsys, attempt):
    assert last_attempt.run(lambda: os._exit(3), None, attempt, record).status == "failed"
    assert (
        capsys.readouterr().out == "failed: its process ended with exit status 3, but no result\n"
    )
    assert not record.exists()


def test_a_user_error_is_not_given_up(tmp_path, record):
    def raises_user_error():
        raise UserError("correct this")

    work, calls = counted(tmp_path)
    with pytest.raises(UserError):
        last_attempt.run(raises_user_error, None, 3, record)
    assert last_attempt.run(work, None, 4, record) is None
    assert calls() == 1


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", json.dumps({"attempt": 3, "job": "", "status": "odd"})]
)
def test_a_damaged_record_is_named(tmp_path, record, text):
    record.parent.mkdir()
    record.write_text(text)
    with pytest.raises(UserError, match=r"unit\.attempts\.json is .*; delete it"):
        last_attempt.run(lambda: None, None, 4, record)
