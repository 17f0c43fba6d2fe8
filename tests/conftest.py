"""One thread for each test process, and the smoke run, which all test processes share.

`make test` starts several processes of pytest-xdist, so that no test may depend on another test,
on the order of tests, or on a file outside its own folder.
"""

import fcntl
import gc
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import pytest

from tests.clone import DATA, SMOKE, clone, copied, workflow_command
from tests.preloaded import python

# Before torch is imported: the test processes share the cores. Their child processes inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # two threads would spin beside a busy process


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("numprocesses", 0):
        python()  # its server is started before the test processes, which share it
        # The test processes' memory in huge pages (Linux): forks copy smaller page tables.
        os.environ.setdefault("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")


@pytest.hookimpl(tryfirst=True)
def pytest_collection() -> None:
    gc.disable()  # what is imported now stays: to look for garbage there takes a third of the time


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that need the smoke run come last: until then it runs beside the others."""
    items.sort(key=needs_smoke_run)
    gc.freeze()  # no later collection looks at what was imported, in forks neither
    gc.enable()


def needs_smoke_run(item: pytest.Item) -> bool:
    return "smoke_run" in getattr(item, "fixturenames", ())


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    first = os.environ.get("PYTEST_XDIST_WORKER", "gw0") == "gw0"
    wanted = not session.config.option.collectonly and any(map(needs_smoke_run, session.items))
    if first and wanted and DATA.exists():
        start_smoke_run(shared_folder(session.config))


def start_smoke_run(folder: Path) -> None:
    """Start the smoke run, if no test process has. It holds `folder`/smoke.lock until its end."""
    with locked(folder / "smoke.lock") as lock:
        if not (folder / "smoke").exists():
            made = clone(folder / "smoke")
            command = workflow_command("--config", f"run={SMOKE}")
            with (folder / "smoke.log").open("w") as log:
                subprocess.Popen(
                    command, cwd=made, stdout=log, stderr=log, pass_fds=[lock.fileno()]
                )


def shared_folder(config: pytest.Config) -> Path:
    """The folder that all test processes of this session share."""
    own = config._tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def common(request) -> Path:
    return shared_folder(request.config)


@contextmanager
def locked(file: Path) -> Iterator[TextIO]:
    """Other test processes wait here until the block, and the processes that it started with the
    open file, have ended."""
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock


@pytest.fixture(scope="session", autouse=True)
def _decoded_images(tmp_path_factory) -> Iterator[None]:
    """Trainings in this process keep their decoded images in the session's folder."""
    from benchmark.training import decoded

    with decoded.kept_in(tmp_path_factory.mktemp("decoded")):
        yield


@pytest.fixture(scope="session")
def smoke_run(common) -> Path:
    """A clone in which the smoke run was made. Read only."""
    start_smoke_run(common)
    with locked(common / "smoke.lock"):  # until it has ended
        pass
    assert (common / "smoke/results/smoke/report").exists(), (common / "smoke.log").read_text()
    return common / "smoke"


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
