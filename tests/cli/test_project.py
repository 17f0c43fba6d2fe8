"""--project, --data and the project's lock take effect, from a checkout and from other folders."""

import json
import os

import pytest
import yaml

from benchmark import cli
from benchmark.cli.app import FACTS
from benchmark.core import paths
from benchmark.core.environment import DATA, PROJECT
from benchmark.core.paths import ROOT
from benchmark.jobs import workflow_lock
from tests.cli.test_cli import benchmark


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with a configuration, mine.yaml, and a folder inside; another folder beside it."""
    for variable in (PROJECT, DATA):
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "project" / "inside").mkdir(parents=True)
    values = {
        "name": "mine", "train_on": "photos", "datasets": {"photos": {}},
        "methods": {"identity": {}}, "discover": False,
    }  # fmt: skip
    (tmp_path / "project" / "mine.yaml").write_text(yaml.safe_dump(values))
    return tmp_path / "project"


@pytest.fixture
def lock(project, monkeypatch):
    """The folder of the project's lock, which a workflow has made."""
    monkeypatch.setattr(workflow_lock, "open_files", {})
    (project / ".snakemake").mkdir()
    yield project / ".snakemake"
    for handle in workflow_lock.open_files.values():
        os.close(handle)


@pytest.mark.parametrize("checkout", [True, False])
def test_results_are_looked_for_in_the_named_project(project, checkout):
    here = ROOT if checkout else project.parent / "elsewhere"
    done = benchmark(here, "--project", project, "show", "--config", "mine.yaml")
    assert done.returncode == 1
    assert f"{project}/results/mine is missing" in done.stderr


def test_data_are_looked_for_in_the_named_folder(project):
    data = project.parent / "data of a clone"
    data.mkdir()
    (data / "manifest.json").touch()

    def here(*options):
        verb = ("list", "datasets", "--json")
        done = benchmark(project.parent, "--project", project, *options, *verb)
        return next(card["here"] for card in json.loads(done.stdout) if card["name"] == "photos")

    assert not here()
    assert here("--data", data)


@pytest.mark.parametrize(
    "verb",
    [
        ("retry", "--config", "mine.yaml"),
        ("submit", ".", "--method", "other", "--run", "../results/mine"),
    ],
)
def test_a_run_at_work_is_not_changed_from_a_folder_inside(project, lock, verb):
    workflow_lock.acquire(lock)
    done = benchmark(project / "inside", "--project", "..", *verb)
    assert done.returncode == 1
    assert "is at work here" in done.stderr


def test_a_verb_holds_the_lock_of_its_project_from_a_folder_inside(project, lock, monkeypatch):
    monkeypatch.setenv("HOME", str(project))
    monkeypatch.setattr(paths, "ROOT", project)
    monkeypatch.chdir(project / "inside")
    # Snakemake looks for the lock; the others write into no run.
    without = {
        "run", "restore", "ui", "score", "list", "plan", "loaders", "profile", "fetch", "verify",
        "check", "compare", "show", "why", "protocols", "new-method", "convert-weights",
    }  # fmt: skip
    for verb in without:
        cli._enter_project(FACTS[verb])
    assert not workflow_lock.open_files
    assert {verb for verb, facts in FACTS.items() if not facts.lock} == without
    cli._enter_project(FACTS["collect"])
    assert [*workflow_lock.open_files] == [lock]
