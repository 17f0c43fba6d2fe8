"""The places of a run's files."""

from pathlib import Path

import pytest

from benchmark.core.errors import UserError
from benchmark.results.layout import AGAIN, RunFolder
from benchmark.results.tables import IMAGES, read_table


@pytest.mark.parametrize("kind", ["log", "attempts", "identity", "kept"])
def test_jobs_whose_joined_names_are_equal_have_files_of_their_own(kind):
    place = getattr(RunFolder(Path("run")), kind)
    assert place("restore", "a", "b-c", "seed0", "d") != place("restore", "a-b", "c", "seed0", "d")


def test_a_missing_table_is_not_to_be_deleted(tmp_path):
    with pytest.raises(UserError, match=r"images\.csv is missing; run 'python -m benchmark run'"):
        read_table(tmp_path / "images.csv", IMAGES, AGAIN)
