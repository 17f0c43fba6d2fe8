"""What is known of a training: `training.json`, and the same inside of exported weights."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field

from benchmark.core.errors import UserError
from benchmark.core.json_io import read_json
from benchmark.core.validation import parse
from benchmark.results.schema import OK, STATUSES

Count = Field(default=None, ge=0, le=10**300, strict=True)  # a number that floats can hold


class _Facts(BaseModel):
    """The keys that something depends on, and their kinds; further keys are kept as they are."""

    status: Literal[STATUSES]
    reason: str = ""
    seconds: float | None = Count
    steps: int | None = Count
    flops: int | None = Count
    settings: dict[str, Any] | None = None


def read(folder: Path, remedy: str) -> dict[str, Any]:
    """A training's `training.json`.

    Raises UserError naming the file and key at fault, and as what to do the `remedy`.
    """
    file = folder / "training.json"
    facts = check(read_json(file, remedy), str(file))
    if facts["status"] == OK or facts.get("reason"):
        return facts
    raise UserError(f"{file}: reason: not there, and the status is not {OK}; {remedy}.")


def check(facts: Any, where: str) -> dict[str, Any]:
    """The facts themselves; UserError naming `where` and the key at fault."""
    parse(_Facts, facts, where)
    return facts
