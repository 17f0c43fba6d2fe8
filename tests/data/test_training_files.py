"""A training file with a fault ends no run: it is named, and the trainings that need it fail."""

import json
import os

import numpy as np
import pytest
import yaml

from benchmark.cli import data, workflow_setup
from benchmark.core import paths
from benchmark.core.checksum import checksum
from benchmark.core.errors import UserError
from benchmark.core.image_io import write_png
from benchmark.data import cards, file_index, training_files
from benchmark.results.layout import RunFolder
from benchmark.spec import config_reader
from tests import run_jobs


def cut(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def replace_by_pipe(file):
    file.unlink()
    os.mkfifo(file)


def replace_by_folder(file):
    file.unlink()
    file.mkdir()


def replace_by_broken_link(file):
    file.unlink()
    file.symlink_to("nowhere")


FAULTS = {
    "cut": (cut, "is damaged or truncated"),
    "empty": (lambda file: file.write_bytes(b""), "is not an image of a known kind"),
    "pipe": (replace_by_pipe, "cannot be read .it is a pipe"),
    "folder": (replace_by_folder, "cannot be read .Is a directory"),
    "broken link": (replace_by_broken_link, "is missing"),
    "gone": (lambda file: file.unlink(), "is missing"),
    "size": (lambda file: write_png(file, np.zeros((20, 16, 3), np.uint8)), "sizes differ|differs"),
    "content": (lambda file: write_png(file, np.ones((16, 16, 3), np.uint8)), "differs from"),
}


@pytest.fixture(params=["photographs", "pairs"])
def open_set(request, tmp_path, monkeypatch):
    """A run of one test pair whose training data are three photographs or pairs, and one of these
    files. Photographs are in the set's manifest."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "set"
    for name in ("test/in/t", "test/gt/t", "in/a", "in/b", "in/c", "gt/a", "gt/b", "gt/c"):
        image = rng.integers(0, 256, (16, 16, 3)).astype(np.uint8)
        write_png(folder / f"{name}.png", image)
    pairs = request.param == "pairs"
    files = [{"path": f"gt/{n}.png", "sha256": checksum(folder / f"gt/{n}.png")} for n in "abc"]
    (folder / "manifest.json").write_text(json.dumps({"files": [] if pairs else files}))
    card = {
        "title": "t", "path": str(folder), "weathers": ["rain"], "manifest": "manifest.json",
        "splits": {"test": {"input": "test/in/{photo}.png", "target": "test/gt/{photo}.png"}},
        "train": {"input": "in/{photo}.png", "target": "gt/{photo}.png"} if pairs else "gt/*.png",
        "licence": "l", "source": "s", "citation": "c",
    }  # fmt: skip
    config = {
        "name": "own", "train_on": "mine", "datasets": {"mine": {}}, "protocols": ["rgb"],
        "methods": {"regression": None, "identity": None}, "discover": False,
    }  # fmt: skip
    monkeypatch.setattr(cards, "CARDS", tmp_path)
    monkeypatch.setattr(file_index, "CACHE", tmp_path / "cache.sqlite")
    monkeypatch.setattr(paths, "results", lambda: tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(card))
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(config))
    return tmp_path / "run.yaml", folder / "gt" / "b.png"


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_is_named_before_the_training_and_becomes_its_status(open_set, kind, capsys):
    config_file, file = open_set
    harm, message = FAULTS[kind]
    manifest = json.loads((file.parents[1] / "manifest.json").read_text())["files"]
    if kind == "content" and not manifest:
        pytest.skip("nothing says what a pair should hold")
    harm(file)
    workflow_setup.images(config_file)
    assert "gt/b.png" in capsys.readouterr().err
    config = config_reader.load(config_file)
    with pytest.raises(UserError, match=message):
        training_files.sound_source("mine")
    with pytest.raises(UserError, match=f"{message}|differs from the set's manifest"):
        data.verify(["mine"])
    result = run_jobs.train(config, RunFolder(file.parents[2] / "run"), "regression", 0)
    assert result["status"] == "failed"
    assert "gt/b.png" in result["reason"]


def test_without_faults_nothing_is_said(open_set, capsys):
    config_file, _ = open_set
    workflow_setup.images(config_file)
    assert "warning" not in capsys.readouterr().err
    data.verify(["mine"])


def test_a_fault_of_a_test_image_ends_the_run(open_set):
    config_file, file = open_set
    cut(file.parents[1] / "test" / "gt" / "t.png")
    with pytest.raises(UserError, match=r"t\.png' is damaged"):
        workflow_setup.images(config_file)


@pytest.mark.parametrize("method", ["identity", "regression"])
@pytest.mark.parametrize("names", ["b", "abc"])
def test_a_fault_ends_no_run_whether_an_entry_trains_or_not(open_set, method, names, capsys):
    config_file, file = open_set
    config = yaml.safe_load(config_file.read_text()) | {"methods": {method: None}}
    config_file.write_text(yaml.safe_dump(config))
    for name in names:
        cut(file.with_name(f"{name}.png"))
    workflow_setup.images(config_file)
    lines = capsys.readouterr().err.splitlines()
    for name in names:
        assert any(f"gt/{name}.png" in line and "damaged or truncated" in line for line in lines)


def test_a_test_photo_among_photos_on_which_nothing_trains_is_refused(open_set):
    config_file, file = open_set
    config = yaml.safe_load(config_file.read_text()) | {"methods": {"identity": None}}
    config_file.write_text(yaml.safe_dump(config))
    (file.parents[1] / "test" / "gt" / "t.png").write_bytes(file.read_bytes())
    cut(file.with_name("a.png"))
    with pytest.raises(UserError, match=r"t\.png has the pixels of .*gt/b\.png"):
        workflow_setup.images(config_file)
