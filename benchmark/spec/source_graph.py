"""The project's sources as a graph: the definitions of each module, and the names that each uses.

Only the project's own modules count, and only what is at the top level of a file.
"""

import ast
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path

from benchmark.core import paths
from benchmark.spec.sources import parse_source

PACKAGES = ("benchmark", "methods")
WHOLE = "*"  # every definition of a module, or all of a dictionary of alternatives
PART = "[]"  # `table[key]`, `key in table`, `table.keys()`: the chosen alternatives suffice
KEPT_NODES = 8192  # results kept for the next job, or after `forget`


@dataclass(frozen=True)
class Module:
    """A source file: its top-level definitions, what its imports bind, and what it runs at import.

    imports: bound name -> (module, name in it; None: the module itself; WHOLE: all of it).
    """

    name: str
    definitions: dict[str, ast.stmt] = field(default_factory=dict)
    imports: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    effects: list[ast.stmt] = field(default_factory=list)


@cache
def module_of(name: str) -> Module:
    """One of the project's modules, whose file there must be. Raises UserError, naming the file, if
    it is not valid Python."""
    file = file_of(name)
    return _read_module(name, file, file.stat().st_mtime_ns)


@cache
def file_of(module: str) -> Path | None:
    """The file of one of the project's modules."""
    if not _is_own(module):
        return None
    place = module.replace(".", "/")
    bases = (*paths.packaged(place), paths.ROOT / place)  # in the order of the imports
    candidates = [f for base in bases for f in (base.with_suffix(".py"), base / "__init__.py")]
    return next((path for path in candidates if path.is_file()), None)


@lru_cache(KEPT_NODES)
def _read_module(name: str, file: Path, changed: int) -> Module:
    """A module's source, read once in a process. changed: the file's time of modification."""
    module = Module(name)
    for statement in _NoDocstrings().visit(parse_source(file)).body:
        _sort_in(statement, module)
    return module


def _sort_in(statement: ast.stmt, module: Module) -> None:
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        module.imports.update(_bindings(statement))
    elif isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        module.definitions[statement.name] = statement
    elif isinstance(statement, (ast.Assign, ast.AnnAssign)):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        names = [each.id for t in targets for each in ast.walk(t) if isinstance(each, ast.Name)]
        if any(isinstance(target, (ast.Attribute, ast.Subscript)) for target in targets):
            module.effects.append(statement)
        for name in names:
            module.definitions[name] = statement
    elif isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
        for inner in (*statement.body, *statement.orelse):  # the package's own lazy imports
            _sort_in(inner, module)
    else:
        module.effects.append(statement)


def _bindings(node: ast.Import | ast.ImportFrom) -> dict[str, tuple[str, str | None]]:
    """What an import binds, of the project's own."""
    if isinstance(node, ast.ImportFrom):
        if not _is_own(node.module):
            return {}
        return {alias.asname or alias.name: (node.module, alias.name) for alias in node.names}
    own = [alias for alias in node.names if _is_own(alias.name)]
    return {
        alias.asname or alias.name.split(".")[0]: (alias.name, None if alias.asname else WHOLE)
        for alias in own
    }


def _is_own(module: str | None) -> bool:
    return (module or "").split(".")[0] in PACKAGES


class _NoDocstrings(ast.NodeTransformer):
    """Strings that stand alone: docstrings, and texts that take the place of comments."""

    def visit_Expr(self, node: ast.Expr) -> ast.stmt | None:
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return None
        return node


class Names(ast.NodeVisitor):
    """The names that a definition uses, each with how: the attributes that are asked of it, PART,
    or WHOLE; and what it imports inside. Annotations of signatures do not count."""

    def __init__(self):
        self.used: dict[str, set[str]] = {}
        self.imports: dict[str, tuple[str, str | None]] = {}

    def _note(self, node: ast.AST, use: str) -> None:
        if isinstance(node, ast.Name):
            self.used.setdefault(node.id, set()).add(use)
        else:
            self.visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self._note(node, WHOLE)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._note(node.value, PART if node.attr == "keys" else node.attr)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self._note(node.value, PART)
        self.visit(node.slice)

    def visit_Compare(self, node: ast.Compare) -> None:
        self.visit(node.left)
        for operator, part in zip(node.ops, node.comparators, strict=True):
            if isinstance(operator, (ast.In, ast.NotIn)):
                self._note(part, PART)
            else:
                self.visit(part)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for part in (*node.decorator_list, *node.args.defaults, *node.args.kw_defaults, *node.body):
            if part is not None:
                self.visit(part)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Import(self, node: ast.Import) -> None:
        self.imports.update(_bindings(node))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self.imports.update(_bindings(node))


@lru_cache(KEPT_NODES)
def names_in(node: ast.AST) -> Names:
    """The names that a definition or statement uses."""
    names = Names()
    names.visit(node)
    return names


@lru_cache(KEPT_NODES)
def meaning(node: ast.AST) -> str:
    """A node as text, without positions; docstrings and comments are gone since it was read."""
    return ast.dump(node, include_attributes=False)


def forget() -> None:
    """Look at the files again, because one may have been edited since; the others stay read."""
    for kept in (file_of, module_of):
        kept.cache_clear()
