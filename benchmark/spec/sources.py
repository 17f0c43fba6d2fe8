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
    return any("LearnedMethod" in _bases(tree) for tree in _with_bases(name))


@cache
def sees_target(name: str) -> bool:
    """Whether a method is given the ground truth: its class, or one that it derives from, sets
    `sees_target` to another value than False."""
    return any(value != "False" for tree in _with_bases(name) for value in _values(tree))


@cache
def draws_noise(name: str) -> bool:
    """Whether a method's `restore` uses the generators that it is given: only then can two
    restorations of one image differ. It may use them and not need to, at some settings."""
    return any(map(_uses_generators, _with_bases(name)))


def _with_bases(name: str) -> list[ast.Module]:
    """The source of a method, and those of the methods from which its classes derive."""
    tree = parse_source(registry.file_of(name))
    bases = _bases(tree)
    others = [
        node.module.removeprefix("methods.")
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("methods.")
        if bases & {alias.asname or alias.name for alias in node.names}
    ]
    known = registry.available() if others else ()
    return [tree, *(base for other in others if other in known for base in _with_bases(other))]


def _bases(tree: ast.Module) -> set[str]:
    """The names of the classes from which those of a source derive."""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    return {ast.unparse(base).split(".")[-1] for c in classes for base in c.bases}


def _values(tree: ast.Module) -> list[str]:
    """What a source sets `sees_target` to."""
    nodes = [*ast.walk(tree)]
    set_to = [(node.targets[0], node.value) for node in nodes if isinstance(node, ast.Assign)]
    set_to += [(node.target, node.value) for node in nodes if isinstance(node, ast.AnnAssign)]
    return [ast.unparse(v) for target, v in set_to if v and ast.unparse(target) == "sees_target"]


def _uses_generators(tree: ast.Module) -> bool:
    """Whether a function `restore` of a source uses its `generators`."""
    found = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == "restore"
    ]
    used = (use for node in found for part in node.body for use in ast.walk(part))
    return any(isinstance(use, ast.Name) and use.id == "generators" for use in used)


def parse_source(path: Path) -> ast.Module:
    """The syntax tree of a source file. Raises UserError naming file and line of a syntax error."""
    try:
        return ast.parse(path.read_bytes())  # as Python reads it: with a byte-order mark, a coding
    except SyntaxError as error:
        line = f", line {error.lineno}" if error.lineno else ""
        raise UserError(
            f"{paths.from_root(path)}{line}: {error.msg}. Correct the file. That of a method can "
            "also be left out, by 'leave_out'."
        ) from error
