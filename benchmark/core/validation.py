"""Checks of what users write: YAML files, and values against a pydantic model."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from benchmark.core.errors import UserError
from benchmark.core.json_io import refuse_lone_surrogates
from benchmark.core.reading import read_text, reading

S = TypeVar("S", bound=BaseModel)


class _Loader(yaml.SafeLoader):
    """As `yaml.SafeLoader`, but a key that a mapping has twice is an error: YAML forbids it."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            line = key.start_mark.line + 1
            if first := seen.get(key.value):
                raise ValueError(f"the key '{key.value}' is in line {first} and in line {line}")
            seen[key.value] = line
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> Any:
    """The content of a YAML file.

    Raises UserError with the file's name and what to do if it is missing, unreadable or not YAML.
    """
    with reading(path, "valid YAML", "check its name and content; config/ has examples"):
        if not path.exists():
            names = [file.name for file in path.parent.glob("*.yaml") if file.exists()]
            for close in get_close_matches(path.name, names, n=1, cutoff=0.75):
                raise UserError(f"{path} is missing. Did you mean '{path.with_name(close)}'?")
        values = yaml.load(read_text(path), _Loader)  # noqa: S506  (a SafeLoader)
        refuse_lone_surrogates(values)
        return values


def parse(model: type[S], values: Any, where: str, remedy: str = "", also: Iterable[str] = ()) -> S:
    """`values` as a `model`.

    also: keys that may stand beside these and were read already; messages on unknown keys name
    them. Raises UserError with a line for each key at fault: `where`, the key, and what is wrong
    with it; and at the end the remedy, if one is given.
    """
    try:
        return model.model_validate(values, context={model: also})
    except ValidationError as error:
        lines = "\n".join(f"{where}: {fault}" for fault in faults(error))
        raise UserError(lines + (f"; {remedy}." if remedy else "")) from None


def faults(error: ValidationError) -> list[str]:
    """What pydantic found: the key, if there is one, and what is wrong with it."""
    found = []
    for fault in error.errors():
        key = ".".join(str(part) for part in fault["loc"] if part != "[key]")
        found.append(f"{key + ': ' if key else ''}{fault['msg'].removeprefix('Value error, ')}")
    return found
