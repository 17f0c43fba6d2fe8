"""Shared by the targets: writing wrong files, and checking that an error changes nothing."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import yaml

from benchmark.core.errors import UserError
from benchmark.data import cards
from tests.campaigns import mutations

# The keys that every card of a data set has.
CARD = {"title": "x", "weathers": ["rain"], "licence": "x", "source": "x", "citation": "x"}
Target = Callable[[Path, Random], Iterator[str | tuple[str, ...]]]


def write(path: Path, content: str | bytes) -> Path:
    """Write a file and its folders. Lone surrogates are written as they are."""
    data = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def wrong_yaml(tree: Any, random: Random) -> str:
    """A tree as YAML, with changed nodes and sometimes a changed text."""
    try:
        text = yaml.safe_dump(mutations.of_tree(tree, random), allow_unicode=True)
    except yaml.YAMLError:
        text = yaml.safe_dump(tree)
    return mutations.of_text(text, random) if random.random() < 0.3 else text


def wrong_json(tree: Any, random: Random) -> str:
    """A tree as JSON, with changed nodes and sometimes a changed text."""
    text = json.dumps(mutations.of_tree(tree, random))
    return mutations.of_text(text, random) if random.random() < 0.2 else text


def wrong_text(name: str, good: str, random: Random) -> str:
    """A wrong version of a JSON file or, if `name` has another suffix, of a table."""
    if name.endswith(".json"):
        return wrong_json(json.loads(good), random)
    return mutations.of_table(good, random)


def contents(folder: Path) -> dict[Path, bytes]:
    """The files below a folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@contextmanager
def kept_if_refused(folder: Path) -> Iterator[None]:
    """Inside: a UserError must leave all files below `folder` unchanged."""
    before = contents(folder)
    try:
        yield
    except UserError as error:
        after = contents(folder)
        changed = [p for p in before.keys() | after.keys() if before.get(p) != after.get(p)]
        assert not changed, f"refused ({error}), but changed {sorted(changed)[0]}"
        raise


@contextmanager
def cards_in(folder: Path) -> Iterator[None]:
    """Inside: data set cards are read from `folder`."""
    cards.CARDS, before = folder, cards.CARDS
    try:
        yield
    finally:
        cards.CARDS = before
