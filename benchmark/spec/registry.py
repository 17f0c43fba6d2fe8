"""Finds and loads methods by name. Only the method asked for is imported."""

import importlib
from pathlib import Path
from types import ModuleType

from benchmark.core.errors import UserError, nearest
from benchmark.core.paths import ROOT, packaged
from benchmark.spec.method import LearnedMethod, Method

FOLDER = ROOT / "methods"  # where a user adds methods
PACKAGED = packaged("methods")  # those of an installed package, beside the user's


def available() -> list[str]:
    """Names of all methods: the files of `methods/` whose names have no leading underscore."""
    return sorted(_files())


def file_of(name: str) -> Path:
    """The file of a method. Raises UserError, with the nearest known name, if there is none."""
    check_name(name)
    return _files()[name]


def _files() -> dict[str, Path]:
    """The file of each method by name; the package's before the user's, as they are imported."""
    paths = [path for folder in (FOLDER, *PACKAGED) for path in folder.glob("*.py")]
    return {path.stem: path for path in paths if not path.stem.startswith("_")}


def check_name(name: str) -> None:
    """Raise UserError, with the nearest known name, unless `methods/NAME.py` exists."""
    if name not in available():
        raise UserError(f"There is no method '{name}'.{nearest(name, available())}")


def load(name: str) -> type[Method]:
    """The method class of `methods/NAME.py`.

    Raises UserError if there is no such file, or if it does not define exactly one subclass of
    Method with a card and its own `restore` (and `build` and `loss` if it learns).
    """
    check_name(name)
    module = _import(name)
    classes = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Method)
        and value.__module__ == module.__name__
    ]
    if len(classes) != 1:
        raise UserError(
            f"methods/{name}.py must define one subclass of Method, not {len(classes)}."
        )
    method = classes[0]
    required = ["restore"] + (["build", "loss"] if issubclass(method, LearnedMethod) else [])
    bases = (Method, LearnedMethod)
    missing = [f for f in required if any(getattr(method, f) is getattr(b, f, None) for b in bases)]
    if not hasattr(method, "card"):
        missing.append("card")
    if missing:
        raise UserError(f"methods/{name}.py: {method.__name__} lacks {', '.join(missing)}.")
    return method


def _import(name: str) -> ModuleType:
    """The module of a method.

    Raises UserError if it imports a module of the suite that does not exist, as method files do
    that were written before the suite's modules were moved.
    """
    try:
        places = importlib.import_module("methods").__path__
        if str(FOLDER) not in places:
            places.append(str(FOLDER))
        return importlib.import_module(f"methods.{name}")
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("benchmark."):
            raise
        surface = importlib.import_module("benchmark").__all__  # an import above would be a circle
        raise UserError(
            f"methods/{name}.py imports '{error.name}', which does not exist. A method imports all "
            f"that it needs by 'from benchmark import {', '.join(surface)}'."
        ) from error
