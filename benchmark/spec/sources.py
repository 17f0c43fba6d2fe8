"""Reads the source of a method without importing it: planning a run must not import torch."""

import ast
from functools import cache
from pathlib import Path

from benchmark.core import paths
from benchmark.core.errors import UserError
from benchmark.spec import registry


@cache
def learns(name: str) -> bool:
    """Whether a method is trained: its class derives from LearnedMethod, directly or not."""
    tree = _parse(registry.FOLDER / f"{name}.py")
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
    return any(learns(other) for other in others if other in registry.available())


@cache
def sources(module: str) -> tuple[str, ...]:
    """The project's files that a module imports, directly or not, itself included.

    Paths are relative to the repository root. The workflow lists them as inputs of a job, so that
    an edit re-runs only the jobs that depend on the file.
    """
    found: set[Path] = set()
    waiting = [module]
    while waiting:
        path = _file_of(waiting.pop())
        if path is None or path in found:
            continue
        found.add(path)
        waiting += _imports(path)
    return tuple(sorted(str(p.relative_to(paths.ROOT)) for p in found))


def _file_of(module: str) -> Path | None:
    base = paths.ROOT / module.replace(".", "/")
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
        raise UserError(
            f"{path.relative_to(paths.ROOT)}, line {error.lineno}: {error.msg}."
        ) from error
