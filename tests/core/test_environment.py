"""Caches of a user without a usable home are in the project; verbs get the threads and the memory
that suit them."""

import os
import runpy
import subprocess
import sys

import pytest

from benchmark.core import environment
from benchmark.core.environment import keep_caches, prepare, wait_asleep


@pytest.mark.parametrize("home", ["missing", "a file", "read-only"])
def test_caches_get_a_folder_if_there_is_no_home_to_write_to(tmp_path, monkeypatch, home):
    (tmp_path / "a file").touch()
    (tmp_path / "read-only").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: path.name != "read-only")
    monkeypatch.setenv("HOME", str(tmp_path / home))
    monkeypatch.setenv("MPLCONFIGDIR", "as the user says")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.delenv("XDG_CACHE_HOME")
    keep_caches(tmp_path / "caches")
    assert os.environ["XDG_CACHE_HOME"] == str(tmp_path / "caches")
    assert os.environ["MPLCONFIGDIR"] == "as the user says"


def test_a_home_is_used(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.delenv("XDG_CACHE_HOME")
    keep_caches(tmp_path / "caches")
    assert "XDG_CACHE_HOME" not in os.environ


@pytest.mark.parametrize(
    ("beside_others", "busy_cores", "asleep"),
    [("always", 0, True), ("if busy", 0.2, False), ("if busy", 1, True), ("never", 1, False)],
)
def test_threads_sleep_while_they_wait_only_beside_other_work(
    beside_others, busy_cores, asleep, monkeypatch
):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.setattr("psutil.cpu_count", lambda: 4)
    monkeypatch.setattr("psutil.cpu_percent", lambda seconds: 100 * busy_cores / 4)
    wait_asleep(beside_others)
    assert os.environ.pop("OMP_WAIT_POLICY", None) == ("PASSIVE" if asleep else None)


def test_the_users_own_wait_policy_is_kept(monkeypatch):
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    wait_asleep(True)
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"


@pytest.mark.parametrize("networks", [True, False])
def test_freed_memory_is_kept_for_networks_only(networks, monkeypatch):
    calls = []
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    monkeypatch.setattr(environment, "keep_freed_memory", lambda: calls.append("kept"))
    prepare(False, networks)
    assert calls == ["kept"] * networks


def test_a_package_that_a_method_needs_is_no_fault_of_the_environment(tmp_path):
    """The traceback names the method's file."""
    file = tmp_path / "methods" / "mine.py"
    file.parent.mkdir()
    file.write_text("import not_there\n")
    with pytest.raises(ModuleNotFoundError) as caught:
        runpy.run_path(str(file))
    with pytest.raises(ModuleNotFoundError, match="not_there"):
        environment.exit_without_package(caught.value)
    with pytest.raises(SystemExit, match="needs the package not_there"):
        environment.exit_without_package(ModuleNotFoundError(name="not_there"))


def test_without_psutil_the_machine_counts_as_quiet(monkeypatch):
    monkeypatch.setitem(sys.modules, "psutil", None)
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    wait_asleep(None)
    assert "OMP_WAIT_POLICY" not in os.environ


def test_a_busy_process_is_noticed():
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        try:
            assert environment._others_at_work(0.3)
        finally:
            process.kill()
