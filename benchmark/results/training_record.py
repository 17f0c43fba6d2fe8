"""The record of a training: `training.json`, and its copy inside of exported weights."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field

from benchmark.core.errors import UserError
from benchmark.core.json_io import read_json
from benchmark.core.validation import parse
from benchmark.results.schema import OK, STATUSES

# At most: products of larger numbers overflow.
Count = Field(default=None, ge=0, le=10**300, strict=True, allow_inf_nan=False)


class _Facts(BaseModel):
    """The keys that other parts of the suite read; further keys are kept as they are."""

    status: Literal[STATUSES]
    reason: str = ""
    seconds: float | None = Count
    steps: int | None = Count
    flops: int | None = Count
    identity: str | None = None
    settings: dict[str, Any] | None = None
    simulation: int | None = Field(default=None, ge=1, strict=True)


def read(folder: Path, remedy: str) -> dict[str, Any]:
    """The content of `training.json` in `folder`.

    Raises UserError with the file, the key at fault and the remedy.
    """
    file = folder / "training.json"
    facts = check(read_json(file, remedy), str(file), remedy)
    if facts["status"] == OK or facts.get("reason"):
        return facts
    raise UserError(f"{file}: reason: not there, although the status is not '{OK}'; {remedy}.")


def check(facts: Any, where: str, remedy: str = "") -> dict[str, Any]:
    """The facts, unchanged, if they are valid; else UserError with `where` and the key at fault."""
    parse(_Facts, facts, where, remedy)
    return facts
