"""What a job reaches is what it runs: the graph of definitions against what is executed."""

import sys
import textwrap
from pathlib import Path

import pytest
import torch

from benchmark import LearnedMethod, UserError
from benchmark.core import paths
from benchmark.core.seeds import torch_generator
from benchmark.spec import reach, registry

BASE = '''"""A package."""
from methods.pack.tools import helper
'''
TOOLS = '''
"""Tools."""
from benchmark import Alternatives
from methods.pack import first, second

LIMIT = 3

def helper(x):
    """Doc."""
    return x + LIMIT

def unused(x):
    return x

CHOICES: Alternatives = {"one": first.one, "two": second.two}
PLAIN = {"one": first.one, "two": second.two}

def chosen(key):
    return CHOICES[key]

def iterated():
    return [make for make in CHOICES.values()]

def by_loop():
    return [PLAIN[key] for key in ("one", "two")]

class Tool(Base if False else object):
    size: int = 3

    def restore(self):
        return unused(self.size)

    def loss(self):
        return helper(1)
'''


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project of a few files in place of the repository; returns a function that writes one."""

    def write(name, text):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
        reach.forget()

    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setattr(paths, "CODE", tmp_path)
    write("methods/__init__.py", "")
    write("methods/pack/__init__.py", "")
    write("methods/pack/tools.py", TOOLS)
    write("methods/pack/first.py", "STEP = 1\ndef one():\n    return STEP\n")
    write("methods/pack/second.py", "def two():\n    return 2\n")
    yield write
    reach.forget()


def reached(name, chosen=(), without=()):
    return reach.digests([("methods.pack.tools", name)], chosen, without)


def names(found):
    return {key.removeprefix("methods.pack.") for key in found if key.startswith("methods.pack.")}


def test_what_a_function_uses_is_reached_and_nothing_else(project):
    assert names(reached("helper")) == {"tools:helper", "tools:LIMIT"}


def test_alternatives_are_narrowed_to_the_chosen_key(project):
    assert names(reached("chosen", {"one"})) == {
        "tools:chosen", "tools:CHOICES", "first:one", "first:STEP",
    }  # fmt: skip


def test_without_a_chosen_key_all_alternatives_count(project):
    assert {"first:one", "second:two"} <= names(reached("chosen", {"three"}))


def test_alternatives_that_are_iterated_over_count_as_a_whole(project):
    assert {"first:one", "second:two"} <= names(reached("iterated", {"one"}))


def test_a_plain_dictionary_is_never_narrowed(project):
    assert {"first:one", "second:two"} <= names(reached("by_loop", {"one"}))


def test_members_that_a_job_does_not_call_are_left_out(project):
    assert "tools:unused" not in names(reached("Tool", without={"restore"}))
    assert "tools:unused" in names(reached("Tool", without={"loss"}))


def test_a_member_that_another_one_calls_stays(project):
    project("methods/pack/tools.py", TOOLS.replace("return helper(1)", "return self.restore()"))
    assert "tools:unused" in names(reached("Tool", without={"restore"}))


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ('"""Doc."""', '"""Another text."""', False),
        ("LIMIT = 3", "LIMIT = 3  # a comment", False),
        ("return x + LIMIT", "return (x\n        + LIMIT)", False),
        ("def unused(x):\n    return x", "def unused(x):\n    return 2 * x", False),
        ("LIMIT = 3", "LIMIT = 4", True),
        ("return x + LIMIT", "return x - LIMIT", True),
        ("LIMIT = 3", "LIMIT = 3\nimport os\nos.environ['X'] = '1'", True),
    ],
)
def test_meaning_decides_not_text(project, old, new, changes):
    before = reached("helper")
    assert old in TOOLS
    project("methods/pack/tools.py", TOOLS.replace(old, new))
    assert (reached("helper") != before) == changes


def test_an_edit_of_another_alternative_changes_nothing(project):
    before = reached("chosen", {"one"})
    project("methods/pack/second.py", "def two():\n    return 3\n")
    assert reached("chosen", {"one"}) == before
    project("methods/pack/first.py", "STEP = 2\ndef one():\n    return STEP\n")
    assert reached("chosen", {"one"}) != before


def test_imports_inside_functions_and_of_whole_modules_are_followed(project):
    project("methods/pack/inner.py", "from methods.pack import first\nimport methods.pack.second\n"
            "def a():\n    from methods.pack.second import two\n    return two()\n"
            "def b():\n    return first.one()\n"
            "def c():\n    return methods.pack.second.two()\n"
            "def d():\n    return vars(first)\n")  # fmt: skip
    found = {
        name: names(reach.digests([("methods.pack.inner", name)], ())) - {f"inner:{name}"}
        for name in "abcd"
    }
    assert found["a"] == {"second:two"}
    assert found["b"] == {"first:one", "first:STEP"}
    assert "second:two" in found["c"]
    assert found["d"] == {"first:one", "first:STEP"}


def test_a_syntax_error_names_file_and_line(project):
    project("methods/pack/second.py", "def two(:\n")
    with pytest.raises(UserError, match=r"second\.py, line 1"):
        reached("chosen", {"two"})


def executed(work):
    """The top-level definitions of the project whose code runs in `work()`, as Python sees it."""
    seen = set()

    def note(frame, event, argument):
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(paths.ROOT):
            parts = path.relative_to(paths.ROOT).with_suffix("").parts
            if parts[0] in reach.source_graph.PACKAGES:
                module = ".".join(part for part in parts if part != "__init__")
                seen.add(f"{module}:{frame.f_code.co_qualname.split('.')[0]}")

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return {name for name in seen if "<" not in name}


TINY = {"network": {"width": 8, "multipliers": [1, 2], "blocks": 1}}
CASES = [
    ("regression", TINY, {}),
    ("regression", {"denoiser": "nafnet", "loss": "l1", "network": {"width": 8, "middle": 1}}, {}),
    ("conditional_diffusion", TINY, {"sampler": "dpm-solver-2m", "steps": 2}),
    ("conditional_diffusion", {**TINY, "target": "v", "schedule": "cosine"}, {"sampler": "plms",
                                                                            "steps": 3}),
    ("residual_shift", TINY, {}),
    ("mean_reverting_sde", TINY, {}),
    ("bridge", TINY, {}),
    ("flow", TINY, {}),
    ("flow", {**TINY, "start": "noise"}, {}),
    ("shortcut", TINY, {}),
    ("predict_and_refine", TINY, {}),
    ("prenet", {}, {}),
    ("aodnet", {}, {}),
    ("gcanet", {}, {}),
    ("dark_channel", {}, {}),
    ("directional_opening", {}, {}),
    ("guided_decomposition", {}, {}),
    ("drop_inpainting", {}, {}),
]  # fmt: skip


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize(("method", "parameters", "variant"), CASES)
def test_all_that_is_executed_is_reached(method, parameters, variant, train):
    """What Python's own profiler sees of a method's functions, against what the sources say."""
    kind = registry.load(method)
    generator = torch_generator("test")
    pair = torch.rand(2, 3, 16, 16, generator=generator)

    def work():
        built = kind(kind.Parameters(**parameters))
        if train and isinstance(built, LearnedMethod):
            built.loss(pair, pair, generator).backward()
        if not train:
            with torch.inference_mode():
                built.restore(pair[:1], kind.Variant(**variant), [generator])

    without = reach.NOT_IN_TRAINING if train else reach.NOT_IN_RESTORING
    found = reach.method_digests(method, {**parameters, **variant}, without)
    assert executed(work) - set(found) == set()
