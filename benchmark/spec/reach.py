"""Which definitions of the project's sources a job reaches, and a digest of what they mean.

A job depends on the functions and classes that it can run, not on the files that they stand in: an
edit of a comment, of a docstring, of another sampler or of another loss changes nothing. So the
sources are read as a graph of top-level definitions, from the names that each of them uses. A
dictionary that is marked as `Alternatives` (`SAMPLERS: Alternatives = {"ddim": ddim, ...}`) is
followed only for the keys that the entry's settings choose.

The graph errs on the side of more: a name that is used in a way that is not understood (a module
passed around, a dictionary iterated over) brings in all that it may lead to. The tests compare it
with what is really executed.
"""

import ast
import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from benchmark.spec import source_graph
from benchmark.spec.source_graph import (
    KEPT_NODES,
    PART,
    WHOLE,
    Module,
    file_of,
    meaning,
    module_of,
    names_in,
)

# Members of a method's class that a job does not call.
NOT_IN_JOBS = {"facts", "needs_teacher", "variant_warnings"}
NOT_IN_TRAINING = frozenset({"restore", "evaluations", "Variant", *NOT_IN_JOBS})
NOT_IN_RESTORING = frozenset({"loss", "learn_from", *NOT_IN_JOBS})
Definition = tuple[str, str]  # module, name


def digests(
    roots: Iterable[Definition], chosen: Collection[str], without: Collection[str] = ()
) -> dict[str, str]:
    """SHA-256 of the meaning of every definition reached, by `module:name`.

    roots: definitions to start from. chosen: all strings among the entry's settings, by which
    dictionaries of alternatives are narrowed. without: members of method classes that the job does
    not call. Raises UserError naming the file that is not valid Python.
    """
    walk = _Walk(frozenset(chosen), frozenset(without))
    for module, name in roots:
        walk.reach(module, name)
    walk.follow()
    return {
        f"{module}:{name}": hashlib.sha256(text.encode()).hexdigest()
        for (module, name), text in sorted(walk.texts.items())
    }


@dataclass(frozen=True)
class Reached:
    """What a job reaches: the digest of each definition, and one digest of all of them."""

    definitions: dict[str, str]
    digest: str


@cache
def reached_by(*roots: str) -> Reached:
    """What some functions of the suite reach, each given as `module:name`."""
    return _joined(digests([tuple(root.split(":")) for root in roots], ()))


@cache
def reached_for_entry(
    method: str, settings: str, without: frozenset[str], roots: tuple[str, ...]
) -> Reached:
    """What a method and some functions of the suite reach for an entry.

    settings: the entry's, as JSON. roots: functions, each as `module:name`.
    """
    places = [tuple(root.split(":")) for root in roots]
    return _joined(method_digests(method, json.loads(settings), without, places))


def _joined(found: dict[str, str]) -> Reached:
    lines = [f"{name} {digest}" for name, digest in sorted(found.items())]
    return Reached(found, hashlib.sha256("\n".join(lines).encode()).hexdigest())


def forget() -> None:
    """Look at the sources again, because one may have been edited since; the others stay read."""
    source_graph.forget()
    for kept in (reached_by, reached_for_entry, _defaults):
        kept.cache_clear()


def method_digests(
    method: str, settings: Any, without: Collection[str], roots: Iterable[Definition] = ()
) -> dict[str, str]:
    """`digests` of what a method reaches with these settings, and of further roots.

    method: a file of `methods/`. settings: the entry's, nested, as the configuration has them;
    where they leave a field out, its default in the sources chooses.
    """
    module = f"methods.{method}"
    given = _named_strings(settings)
    chosen = {value for values in given.values() for value in values}
    for name, values in _defaults(module).items():
        if name not in given:
            chosen |= values
    return digests([(module, _method_class(module)), *roots], chosen, without)


def _method_class(module: str) -> str:
    """The name of a method file's class: the one with a card. WHOLE if there is none."""
    found = module_of(module).definitions if file_of(module) else {}
    for name, node in found.items():
        if isinstance(node, ast.ClassDef) and "card" in map(_member, node.body):
            return name
    return WHOLE


def _named_strings(settings: Any) -> dict[str, set[str]]:
    """The strings in nested settings, by the key that they stand under."""
    found: dict[str, set[str]] = {}
    waiting = [("", settings)]
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, str):
            found.setdefault(key, set()).add(value)
        elif isinstance(value, Mapping):
            waiting += [(str(inner), part) for inner, part in value.items()]
        elif isinstance(value, Collection):
            waiting += [(key, part) for part in value]
    return found


@cache
def _defaults(module: str) -> dict[str, set[str]]:
    """The string defaults of settings declared in a module, and of those that they derive from or
    that a class of the module takes from another file (`Parameters = ...`), by field. A field that
    several classes declare has several."""
    found: dict[str, set[str]] = {}
    waiting, seen = [module], set()
    while waiting:
        source = waiting.pop()
        if source in seen or file_of(source) is None:
            continue
        seen.add(source)
        parsed = module_of(source)
        for node in parsed.definitions.values():
            if isinstance(node, ast.ClassDef):
                for key, value in _string_fields(node):
                    found.setdefault(key, set()).add(value)
                values = [part.value for part in node.body if isinstance(part, ast.Assign)]
                names = {x.id for x in (*node.bases, *values) if isinstance(x, ast.Name)}
                waiting += [parsed.imports[name][0] for name in names if name in parsed.imports]
    return found


def _string_fields(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for part in node.body:
        if not (isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name)):
            continue
        value = part.value
        if isinstance(value, ast.Call):  # Field(default="...")
            value = next((k.value for k in value.keywords if k.arg == "default"), None)
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield part.target.id, value.value


class _Walk:
    """Follows names from definition to definition."""

    def __init__(self, chosen: frozenset[str], without: frozenset[str]):
        self.chosen, self.without = chosen, without
        self.texts: dict[Definition, str] = {}
        self.modules: set[str] = set()
        self.taken: set[tuple[str, str, str]] = set()
        self.waiting: list[tuple[str, str, str]] = []  # module, name, WHOLE or PART

    def reach(self, module: str, name: str, use: str = WHOLE) -> None:
        self.waiting.append((module, name, use))

    def follow(self) -> None:
        while self.waiting:
            module, name, use = self.waiting.pop()
            if file_of(module) is None:
                continue
            self._enter(module)
            parsed = module_of(module)
            if name == WHOLE:
                for each in (*parsed.definitions, *parsed.imports):
                    self.reach(module, each)
            elif name in parsed.definitions:
                self._take(module, name, use, parsed)
            elif name in parsed.imports:
                self._reach_import(*parsed.imports[name], {use})
            elif file_of(f"{module}.{name}"):
                self.reach(f"{module}.{name}", WHOLE)

    def _enter(self, module: str) -> None:
        """A module runs its own statements, and those of the packages above it."""
        if module in self.modules:
            return
        self.modules.add(module)
        parts = module.split(".")
        for depth in range(1, len(parts)):
            self._enter(".".join(parts[:depth]))
        if file_of(module) is None:
            return
        parsed = module_of(module)
        for number, statement in enumerate(parsed.effects):
            self.texts[module, f"statement {number}"] = meaning(statement)
            self._use(statement, parsed)

    def _take(self, module: str, name: str, use: str, parsed: Module) -> None:
        if {(module, name, use), (module, name, WHOLE)} & self.taken:
            return
        self.taken.add((module, name, use))
        node = self._narrowed(parsed.definitions[name], use)
        self.texts[module, name] = meaning(node)
        self._use(node, parsed)

    def _narrowed(self, node: ast.stmt, use: str) -> ast.stmt:
        """A definition without what the job does not use."""
        if isinstance(node, ast.ClassDef):
            return _without_members(node, self.without)
        value = getattr(node, "value", None)
        if use == PART and isinstance(value, ast.Dict) and _are_alternatives(node):
            return _copy(node, value=self._chosen_of(value))
        return node

    def _chosen_of(self, table: ast.Dict) -> ast.Dict:
        """Alternatives without those that are not chosen; all of them if none is."""
        keys = [key.value if isinstance(key, ast.Constant) else None for key in table.keys]
        if not self.chosen.intersection(key for key in keys if isinstance(key, str)):
            return table
        kept = [
            (key, self._chosen_of(value) if isinstance(value, ast.Dict) else value)
            for key, value in zip(table.keys, table.values, strict=True)
            if isinstance(key, ast.Constant) and key.value in self.chosen
        ]
        return ast.Dict(keys=[key for key, _ in kept], values=[value for _, value in kept])

    def _use(self, node: ast.AST, parsed: Module) -> None:
        """Wait for all that a definition's names stand for."""
        names = names_in(node)
        places = {**parsed.imports, **names.imports}
        for name, uses in names.used.items():
            if name in parsed.definitions and name not in names.imports:
                self.reach(parsed.name, name, PART if uses == {PART} else WHOLE)
            elif name in places:
                self._reach_import(*places[name], uses)

    def _reach_import(self, module: str, name: str | None, uses: set[str]) -> None:
        """What an import binds; of a module, the attributes that are used."""
        if name is not None and not file_of(f"{module}.{name}"):  # WHOLE too
            self.reach(module, name, PART if uses == {PART} else WHOLE)
            return
        inner = module if name is None else f"{module}.{name}"
        for attribute in uses:
            self.reach(inner, WHOLE if attribute == PART else attribute)


def _are_alternatives(node: ast.stmt) -> bool:
    annotation = getattr(node, "annotation", None)
    return annotation is not None and ast.unparse(annotation).split("[")[0] == "Alternatives"


@lru_cache(KEPT_NODES)
def _without_members(node: ast.ClassDef, names: frozenset[str]) -> ast.ClassDef:
    """A class without the named members, unless another member uses them; of a method's card, only
    what decides which images are restored."""
    if not names:
        return node
    dropped = [part for part in node.body if _member(part) in names]
    body = [_card(part) for part in node.body if part not in dropped]
    used = {
        each.attr for part in body for each in ast.walk(part) if isinstance(each, ast.Attribute)
    }
    body += [part for part in dropped if _member(part) in used]
    return _copy(node, body=body)


def _member(part: ast.stmt) -> str:
    if isinstance(part, ast.Assign) and isinstance(part.targets[0], ast.Name):
        return part.targets[0].id
    return getattr(part, "name", "")


def _card(part: ast.stmt) -> ast.stmt:
    if _member(part) != "card" or not isinstance(getattr(part, "value", None), ast.Call):
        return part
    keywords = [k for k in part.value.keywords if k.arg == "weathers"]
    return _copy(part, value=_copy(part.value, keywords=keywords))


def _copy(node, **changes):
    values = {name: getattr(node, name, None) for name in node._fields}
    return type(node)(**{**values, **changes})
