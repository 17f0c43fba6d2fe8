"""A method started from the template passes the tests of every method before it is changed."""

import itertools
import subprocess
import sys

import pytest
from typer.testing import CliRunner

import methods
from benchmark.cli.app import app
from benchmark.cli.method_template import method_source, write_method
from benchmark.core import paths
from benchmark.core.errors import UserError
from benchmark.spec import registry, sources
from tests.methods import test_contract

NAMES = {"my_filter": False, "my_network": True}
# It takes the method's name from pytest's parameters, which are others here: checked below.
BY_FILE = "test_is_known_to_learn_without_being_imported"


def contract_tests():
    """The tests of test_contract that any method must pass, with each of their parameters."""
    for name, test in vars(test_contract).items():
        arguments = getattr(getattr(test, "__code__", None), "co_varnames", ())
        if not name.startswith("test_") or "method" not in arguments[:1] or name == BY_FILE:
            continue
        marks = [mark.args for mark in getattr(test, "pytestmark", ())]
        choices = [[(key, value) for value in values] for key, values in marks]
        for chosen in itertools.product(*choices):
            yield pytest.param(test, dict(chosen), id=f"{name}-{[v for _, v in chosen]}")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder that stands for methods/."""
    monkeypatch.setattr(registry, "FOLDER", tmp_path)
    monkeypatch.setattr(methods, "__path__", [str(tmp_path), *methods.__path__])
    for name in NAMES:
        monkeypatch.delitem(sys.modules, f"methods.{name}", raising=False)
    return tmp_path


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("test", "chosen"), list(contract_tests()))
def test_the_template_keeps_the_contract(folder, name, test, chosen):
    write_method(name, NAMES[name])
    test(test_contract.make(name), **chosen)
    sys.modules.pop(f"methods.{name}")


def test_there_are_contract_tests():
    assert len(list(contract_tests())) >= 9


@pytest.mark.parametrize("name", NAMES)
def test_the_file_is_a_method_of_its_name(folder, name):
    path = write_method(name, NAMES[name])
    assert path == folder / f"{name}.py"
    assert registry.available() == [name]
    assert sources.learns(name) == NAMES[name]
    assert (
        registry.load(name).__name__ == {"my_filter": "MyFilter", "my_network": "MyNetwork"}[name]
    )
    sys.modules.pop(f"methods.{name}")


@pytest.mark.parametrize(
    "name", ["", "My", "2d", "_hidden", "a-b", "a b", "class", "a/b", "../a", "é", "a.py", "a\n"]
)
def test_a_name_that_is_none_of_a_module_is_refused(folder, name):
    with pytest.raises(UserError, match="cannot name a method"):
        write_method(name, False)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["regression", "networks"])
def test_a_name_that_is_taken_is_refused_and_nothing_is_lost(name):
    before = sorted(registry.FOLDER.rglob("*.py"))
    with pytest.raises(UserError, match=f"has a '{name}' already"):
        write_method(name, True)
    assert sorted(registry.FOLDER.rglob("*.py")) == before


def test_the_name_of_an_entry_that_runs_another_method_is_refused(folder):
    with pytest.raises(UserError, match=r"'unet' is an entry of config/default\.yaml, which runs"):
        write_method("unet", True)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("learned", [False, True])
def test_the_template_is_in_the_repositorys_style(learned, tmp_path):
    file = tmp_path / "a.py"
    file.write_text(method_source("short", learned), encoding="utf-8")
    settings = ["--config", str(paths.ROOT / "pyproject.toml")]
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *settings, str(file)],
            cwd=paths.ROOT, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_next_steps_begin_with_what_the_tests_need(folder):
    lines = CliRunner().invoke(app, ["new-method", "my_filter"]).output.splitlines()
    assert "is written" in lines[0]
    assert "make setup GROUPS=test" in lines[1] and "pytest" in lines[2]
