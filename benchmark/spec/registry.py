"""Finds methods by name. A method is loaded when it is asked for, never all of them."""

import ast
import importlib
from functools import cache
from pathlib import Path

from benchmark.core.errors import UserError, nearest
from benchmark.spec.method import LearnedMethod, Method

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "methods"


def available() -> list[str]:
    """Names of all methods: the files of `methods/`, without a leading underscore."""
    return sorted(p.stem for p in FOLDER.glob("*.py") if not p.stem.startswith("_"))


def check_name(name: str) -> None:
    """Raise UserError, with the nearest known name, unless `methods/NAME.py` is there."""
    if name not in available():
        raise UserError(f"There is no method '{name}'.{nearest(name, available())}")


def load(name: str) -> type[Method]:
    """The method class of `methods/NAME.py`.

    Raises UserError if there is no such file, or if it does not define exactly one subclass of
    Method with a card and its own `restore` (and `build` and `loss` if it learns).
    """
    check_name(name)
    module = importlib.import_module(f"methods.{name}")
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


@cache
def learns(name: str) -> bool:
    """Whether a method is trained: its class derives from LearnedMethod, or from one that does.

    Read from the source, because planning a run must not import torch.
    """
    tree = _parse(FOLDER / f"{name}.py")
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    bases = {ast.unparse(base).split(".")[-1] for c in classes for base in c.bases}
    if "LearnedMethod" in bases:
        return True
    others = [
        node.module.removeprefix("methods.")
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("methods.")
        if bases & {alias.asname or alias.name for alias in node.names}
    ]
    return any(learns(other) for other in others if other in available())


@cache
def sources(module: str) -> tuple[str, ...]:
    """The project's files that a module imports, directly or not, itself included.

    Paths relative to the repository root. The workflow lists them as inputs of a job, so that an
    edit re-runs what depends on it and nothing else.
    """
    found: set[Path] = set()
    waiting = [module]
    while waiting:
        path = _file_of(waiting.pop())
        if path is None or path in found:
            continue
        found.add(path)
        waiting += _imports(path)
    return tuple(sorted(str(p.relative_to(ROOT)) for p in found))


def _file_of(module: str) -> Path | None:
    base = ROOT / module.replace(".", "/")
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((p for p in candidates if p.is_file()), None)


@cache
def _imports(path: Path) -> list[str]:
    names = []
    for node in ast.walk(_parse(path)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return [n for n in names if n.split(".")[0] in ("benchmark", "methods")]


@cache
def _parse(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise UserError(f"{path.relative_to(ROOT)}, line {error.lineno}: {error.msg}.") from error
