"""A user without a usable home is no hindrance: libraries keep their caches in the project."""

import os

import pytest

from benchmark.core.environment import keep_caches


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
