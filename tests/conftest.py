"""What several test files use and is made once."""

import pytest

from tests.clone import SMOKE, clone, snakemake


@pytest.fixture(scope="session")
def repository(tmp_path_factory):
    """A copy of the repository in which the smoke run has been made."""
    folder = clone(tmp_path_factory.mktemp("clone"))
    done = snakemake(folder, "--config", f"run={SMOKE}")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder
