"""The places of a run's files."""

from pathlib import Path

import pytest

from benchmark.results.layout import RunFolder


@pytest.mark.parametrize("kind", ["log", "attempts", "identity", "kept"])
def test_jobs_whose_joined_names_are_equal_have_files_of_their_own(kind):
    place = getattr(RunFolder(Path("run")), kind)
    assert place("restore", "a", "b-c", "seed0", "d") != place("restore", "a-b", "c", "seed0", "d")
