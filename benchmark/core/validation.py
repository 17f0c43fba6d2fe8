"""Checks of what a user may hand in: YAML files, and values against a pydantic model."""

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from benchmark.core.errors import UserError
from benchmark.core.json_io import refuse_half_characters

S = TypeVar("S", bound=BaseModel)


def read_yaml(path: Path) -> Any:
    """What a YAML file holds; UserError naming it if there is no such file or it is not YAML."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        refuse_half_characters(values)
        return values
    except FileNotFoundError:
        raise UserError(f"{path}: no such configuration file. See config/.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}).") from error
    # Recursion: thousands of brackets in each other. Value: a zero byte in the path or a number of
    # thousands of digits.
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise UserError(f"{path} is not valid YAML: {error}") from error


def parse(model: type[S], values: Any, where: str) -> S:
    """`values` as a `model`; UserError naming `where` and each key at fault."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        faults = []
        for fault in error.errors():
            key = ".".join(str(part) for part in fault["loc"] if part != "[key]")
            faults.append(
                f"{where}: {key + ': ' if key else ''}{fault['msg'].removeprefix('Value error, ')}"
            )
        raise UserError("\n".join(faults)) from None
