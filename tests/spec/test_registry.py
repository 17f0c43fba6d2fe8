"""Methods are found by file name, and the files that a job depends on are found by imports."""

import sys

import pytest

import methods
from benchmark.core import paths
from benchmark.core.errors import UserError
from benchmark.spec import registry, sources

HEAD = "from benchmark.spec.method import Card, Method, LearnedMethod\n"
CARD = (
    "    card = Card(title='t', citation='c', licence='MIT', supervision='none', description='d')\n"
)
RESTORE = "    def restore(self, degraded, variant, generators):\n        return degraded\n"


@pytest.fixture
def add(tmp_path, monkeypatch):
    """Writes a method file into a temporary folder, which replaces methods/."""
    monkeypatch.setattr(registry, "FOLDER", tmp_path)
    monkeypatch.setattr(methods, "__path__", [str(tmp_path)])

    def add(name, source):
        (tmp_path / f"{name}.py").write_text(source)
        monkeypatch.delitem(sys.modules, f"methods.{name}", raising=False)
        return name

    return add


def test_a_new_file_in_the_folder_is_a_method(add):
    add("mine", HEAD + "class Mine(Method):\n" + CARD + RESTORE)
    add("_helper", "")
    assert registry.available() == ["mine"]
    assert registry.load("mine").card.title == "t"
    assert not sources.learns("mine")


def test_a_users_methods_stand_beside_those_of_an_installed_package(add, tmp_path, monkeypatch):
    packaged = tmp_path / "packaged"
    packaged.mkdir()
    monkeypatch.setattr(registry, "PACKAGED", (packaged,))
    monkeypatch.setattr(methods, "__path__", [str(packaged)])
    source = HEAD + "class Mine(Method):\n" + CARD + RESTORE
    (packaged / "theirs.py").write_text(source)
    monkeypatch.delitem(sys.modules, "methods.theirs", raising=False)
    add("mine", source)
    assert registry.available() == ["mine", "theirs"]
    for name in registry.available():
        assert registry.load(name).__module__ == f"methods.{name}"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "must define one subclass of Method, not 0"),
        (HEAD + "class A(Method):\n" + CARD + "class B(Method):\n" + CARD, "not 2"),
        (HEAD + "class A(Method):\n" + RESTORE, "A lacks card"),
        (HEAD + "class A(Method):\n" + CARD, "A lacks restore"),
        (HEAD + "class A(LearnedMethod):\n" + CARD + RESTORE, "A lacks build, loss"),
    ],
)
def test_an_incomplete_method_is_refused(add, source, message):
    with pytest.raises(UserError, match=message):
        registry.load(add("broken", source))


def test_an_unknown_method_is_refused_with_the_nearest_name():
    with pytest.raises(UserError, match="Did you mean 'dark_channel'"):
        registry.load("dark_chanel")


def test_a_syntax_error_names_file_and_line(add, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "ROOT", tmp_path.parent)
    with pytest.raises(UserError, match=r"broken\.py, line 1"):
        sources.learns(add("broken", "class :\n"))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("sees_target = True", True),
        ("sees_target: ClassVar[bool] = True", True),
        ("sees_target: ClassVar[bool]", False),
        ("sees_target = False", False),
        ("sees_target: ClassVar[bool] = False", False),
        ("sees_target = bool(1)", True),
        ("", False),
    ],
)
def test_a_method_that_sees_the_target_is_recognised(add, line, expected):
    name = add("mine", HEAD + f"class Mine(Method):\n    {line}\n" + CARD + RESTORE)
    sources.sees_target.cache_clear()
    assert sources.sees_target(name) is expected
    sources.sees_target.cache_clear()


@pytest.mark.parametrize(
    ("module", "base", "expected"),
    [
        ("conditional_diffusion", "ConditionalDiffusion", (True, True, False)),
        ("oracle", "Oracle", (False, False, True)),
        ("regression", "Regression", (True, False, False)),
    ],
)
def test_a_method_that_derives_from_another_is_as_that_one(
    add, monkeypatch, module, base, expected
):
    monkeypatch.setattr(registry, "PACKAGED", (paths.ROOT / "methods",))
    line = f"from methods.{module} import {base}\n\n\nclass Mine({base}):\n    pass\n"
    name = add(f"derived_from_{module}", line)
    found = (sources.learns(name), sources.draws_noise(name), sources.sees_target(name))
    assert found == expected


def test_learned_methods_are_recognised_without_importing_them():
    assert sources.learns("regression")
    assert sources.learns("conditional_diffusion")
    assert not sources.learns("identity")
