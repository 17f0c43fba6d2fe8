"""One thread for each test process, and the smoke run, which all test processes share.

`make test` starts several processes of pytest-xdist, so that no test may depend on another test,
on the order of tests, or on a file outside its own folder.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.clone import SMOKE, clone, copied, snakemake

# Before torch is imported: the test processes share the cores. Their child processes inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that need the smoke run come first: nothing else takes as long."""
    items.sort(key=lambda item: "smoke_run" not in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def common(tmp_path_factory) -> Path:
    """The folder that all test processes of this session share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Other test processes wait here until the block ends."""
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def smoke_run(common) -> Path:
    """A clone in which the smoke run was made, by the first test process that asks. Read only."""
    folder, failure = common / "smoke", common / "smoke-failed.txt"
    with locked(common / "smoke.lock"):
        if not folder.exists() and not failure.exists():
            made = clone(common / "smoke-unfinished")
            done = snakemake(made, "--config", f"run={SMOKE}")
            if done.returncode:
                failure.write_text(done.stdout + done.stderr, encoding="utf-8")
            else:
                made.rename(folder)
    assert folder.exists(), failure.read_text(encoding="utf-8")
    return folder


@pytest.fixture
def repository(smoke_run, tmp_path) -> Iterator[Path]:
    """A test's own copy of the clone in which the smoke run was made."""
    folder = copied(smoke_run, tmp_path / "repository")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def machine(common) -> Iterator[None]:
    """Holds what there is once on a machine, such as SLURM's daemons: one test at a time."""
    with locked(common / "machine.lock"):
        yield
