"""Checks of what users write: YAML files, and values against a pydantic model."""

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from benchmark.core.errors import UserError
from benchmark.core.json_io import refuse_lone_surrogates
from benchmark.core.reading import reading

S = TypeVar("S", bound=BaseModel)


def read_yaml(path: Path, remedy: str = "check its name and content; config/ has examples") -> Any:
    """The content of a YAML file.

    Raises UserError with the file's name and the remedy if it is missing, unreadable or not YAML.
    """
    with reading(path, "valid YAML", remedy):
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        refuse_lone_surrogates(values)
        return values


def parse(model: type[S], values: Any, where: str, remedy: str = "") -> S:
    """`values` as a `model`.

    Raises UserError with a line for each key at fault: `where`, the key, and what is wrong with it;
    and at the end the remedy, if one is given.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        faults = []
        for fault in error.errors():
            key = ".".join(str(part) for part in fault["loc"] if part != "[key]")
            faults.append(
                f"{where}: {key + ': ' if key else ''}{fault['msg'].removeprefix('Value error, ')}"
            )
        raise UserError("\n".join(faults) + (f"; {remedy}." if remedy else "")) from None
