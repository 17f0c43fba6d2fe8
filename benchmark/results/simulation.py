"""Which versions of the simulated weather a run used; runs of different versions are not compared.

The simulation of the training pairs and that of the data set's test pairs have a version each
(`benchmark.weather`). The record of a training, the cards in `methods.json` and the run's manifest
name them. Weights and runs that are older than these records are of version 1.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from benchmark.core.errors import UserError
from benchmark.core.validation import parse
from benchmark.results.merged import runs_of

KEY = "simulation"
FIRST = 1


def of_training(facts: dict[str, Any]) -> int | None:
    """The version of the pairs that a network was trained on; None if they were not simulated.

    facts: the record of a training. One without the key is older than it, or is about weights that
    this suite did not train.
    """
    if KEY in facts:
        return facts[KEY]
    return FIRST if facts.get("settings") else None


class Versions(BaseModel):
    """The versions in a run: of the `training` pairs of its methods, and of its `test pairs`."""

    model_config = ConfigDict(strict=True, frozen=True)

    training: tuple[int, ...] = Field(default=(), strict=False)
    test_pairs: tuple[int, ...] = Field(default=(), strict=False, alias="test pairs")


OLDER = {"training": [FIRST], "test pairs": [FIRST]}  # a manifest without the record


def of_run(folder: Path, manifest: dict[str, Any]) -> Versions:
    """The versions that a run's manifest names, merged or not, sorted.

    folder: of the run, for the message. Raises UserError if the record is malformed.
    """
    where = f"{folder / 'manifest.json'}: {KEY}"
    known = [
        parse(Versions, part.get(KEY, OLDER), where, "make the run's tables again")
        for part in runs_of(manifest, folder)
    ]
    training = {version for each in known for version in each.training}
    pairs = {version for each in known for version in each.test_pairs}
    return Versions.model_validate({"training": sorted(training), "test pairs": sorted(pairs)})


def refuse_others(runs: Iterable[tuple[Path, dict[str, Any]]]) -> None:
    """Raise UserError if two runs, given as (folder, manifest), have different versions.

    A run without learned methods, or without simulated test pairs, goes with all others.
    """
    first: dict[str, tuple[Path, tuple[int, ...]]] = {}
    for folder, manifest in runs:
        found = of_run(folder, manifest)
        for what, versions in (("training", found.training), ("test", found.test_pairs)):
            if not versions:
                continue
            other, before = first.setdefault(what, (folder, versions))
            if versions != before:
                raise UserError(
                    f"{other} and {folder} have {what} pairs of different versions of the "
                    f"simulated weather: {_listed(before)} and {_listed(versions)}. Such scores do "
                    "not compare methods: run one of them again with the version of the other."
                )


def _listed(versions: tuple[int, ...]) -> str:
    return " with ".join(map(str, versions))
