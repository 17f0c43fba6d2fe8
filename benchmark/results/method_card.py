"""A method's card in `methods.json`: the keys that other parts of the suite read."""

import math
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

LARGEST = 1e300  # products of larger numbers overflow


def _small_enough(value: float) -> float:
    if math.isfinite(value) and abs(value) > LARGEST:
        raise ValueError(f"a number of at most {LARGEST:g} is expected")
    return value


Number = Annotated[float, AfterValidator(_small_enough)]


class MethodCard(BaseModel):
    """The keys that a table, a figure or the report reads; a card may have others.

    `training_seconds`: seconds. `training_flops`: floating-point operations of the whole training.
    `file`: the method's source, a path from the repository root. `training_curve`: the path of
    `curve.csv` from the run's folder. `parameters`, `settings` (of the variant) and `training`: as
    in the run's configuration. `training_identity`: a checksum of all that decides the weights (see
    `benchmark.jobs.identity`). `training_simulation`: the version of the simulated weather of its
    training pairs (see `simulation`). `facts`: figures that the method states.
    """

    model_config = ConfigDict(strict=True, frozen=True)

    method: str
    variant: str
    supervision: str
    label: str | None = None
    title: str | None = None
    citation: str | None = None
    url: str | None = None
    licence: str | None = None
    description: str | None = None
    file: str | None = None
    training_curve: str | None = None
    training_steps: Number | None = None
    training_flops: Number | None = None
    training_seconds: Number | None = None
    parameters: dict | None = None
    settings: dict | None = None
    training: dict | None = None
    training_identity: str | None = None
    training_simulation: int | None = None
    facts: dict | None = None
