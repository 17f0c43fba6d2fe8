"""What a run takes from the machine."""

import os

import pytest

from benchmark.jobs import resolve


@pytest.mark.parametrize(
    ("named", "threads"),
    [("3", 3), ("3,1", 3), ("0", 1), ("", None), ("many", None), ("\u00b2", None)],
)
def test_the_threads_of_a_process_are_those_of_the_environment_or_the_cores(
    monkeypatch, named, threads
):
    monkeypatch.setenv("OMP_NUM_THREADS", named)
    assert resolve.threads_here() == (threads or os.cpu_count())
