"""Where project and package are found; paths in messages are quoted, paths in tables are not."""

from pathlib import Path

import pytest

from benchmark.core import paths
from benchmark.core.environment import DATA, PROJECT
from benchmark.core.paths import ROOT, fits_files, from_root, is_utf8, shown


def test_a_path_in_a_message_is_quoted_and_relative_to_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shown(tmp_path / "a b" / "new\nline.png") == r"'a b/new\nline.png'"
    assert shown(Path("a.png")) == "'a.png'"
    assert shown(tmp_path.parent / "a.png") == repr(str(tmp_path.parent / "a.png"))


def test_a_path_in_a_table_is_relative_to_the_repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert from_root(ROOT / "data" / "a b.png") == "data/a b.png"
    assert from_root(tmp_path / "a.png") == str(tmp_path / "a.png")


def test_names_that_tables_and_file_systems_refuse():
    assert is_utf8("é") and not is_utf8("\udcff")
    assert fits_files("a/b") and fits_files("x" * 255)
    assert not fits_files("x" * 256) and not fits_files("a\0b") and not fits_files("é" * 128)
    assert not fits_files("/".join(["x" * 200] * 30))


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Paths as they are where an installed package runs: in a project, from a folder inside it."""
    for name in ("package/config", "project/config", "project/inner/deep"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setattr(paths, "CODE", tmp_path / "package")
    monkeypatch.setattr(paths, "ROOT", tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project" / "inner" / "deep")
    monkeypatch.delenv(DATA, raising=False)
    return tmp_path


@pytest.mark.parametrize("mark", ["data.dvc", "data/manifest.json"])
def test_the_project_is_the_nearest_folder_upwards_with_data(installed, monkeypatch, mark):
    monkeypatch.delenv(PROJECT, raising=False)
    here = installed / "project" / "inner" / "deep"
    assert paths._project() == here
    (installed / "project" / mark).parent.mkdir(exist_ok=True)
    (installed / "project" / mark).touch()
    assert paths._project() == installed / "project"
    monkeypatch.setenv(PROJECT, "..")
    assert paths._project() == installed / "project" / "inner"


def test_a_checkout_is_its_own_project_from_everywhere(installed, monkeypatch):
    monkeypatch.delenv(PROJECT, raising=False)
    (installed / "package" / "data.dvc").touch()
    (installed / "project" / "data.dvc").touch()
    assert paths._project() == installed / "package"
    monkeypatch.setenv(PROJECT, str(installed / "project"))
    assert paths._project() == installed / "project"


def test_a_file_is_looked_for_here_then_in_the_project_then_in_the_package(installed):
    name = "config/a.yaml"
    assert paths.find(name) == Path(name)
    (installed / "package" / name).touch()
    assert paths.find(name) == installed / "package" / name
    (installed / "project" / name).touch()
    assert paths.find(name) == installed / "project" / name
    Path("config").mkdir()
    Path(name).touch()
    assert paths.find(name) == Path(name)
    assert paths.find(installed / "elsewhere") == installed / "elsewhere"


def test_data_may_be_in_a_folder_of_their_own(installed, monkeypatch):
    project = installed / "project"
    assert paths.in_project("data/a.png") == project / "data/a.png"
    monkeypatch.setenv(DATA, str(installed / "mine"))
    assert paths.in_project("data") == installed / "mine"
    assert paths.in_project("data/a.png") == installed / "mine" / "a.png"
    assert paths.in_project("datasets/a.png") == project / "datasets/a.png"


def test_weights_of_the_project_come_before_those_of_the_package(installed):
    name = "data/weights/a.safetensors"
    files = [installed / folder / name for folder in ("package", "project")]
    assert paths.weight_file(name) == files[1]
    for file in files:
        file.parent.mkdir(parents=True)
        file.touch()
        assert paths.weight_file(name) == file


def test_results_are_in_the_project(installed, monkeypatch):
    assert paths.results() == installed / "project" / "results"
    monkeypatch.chdir(installed / "project")
    assert paths.results() == Path("results")
