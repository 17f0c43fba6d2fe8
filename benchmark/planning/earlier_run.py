"""Reads from a finished run how long its trainings and restorings took."""

from dataclasses import dataclass

import pandas as pd

from benchmark.core.errors import UserError
from benchmark.results import schema, training_record
from benchmark.results.layout import AGAIN, RunFolder
from benchmark.results.tables import RUN_FIRST, read_table


@dataclass(frozen=True)
class EarlierCosts:
    """Costs in an earlier run.

    step: seconds of a training step, by entry. pixel: (seconds, FLOPs) of a restored pixel, by
    entry and variant.
    """

    step: dict[str, float]
    pixel: dict[tuple[str, str], tuple[float, float]]


def earlier_costs(run: RunFolder) -> EarlierCosts:
    """The unit costs of a finished run. Raises UserError if its tables are missing or damaged."""
    step = {
        label: sums["seconds"] / sums["steps"] for label, sums in measured_training(run).items()
    }
    pixel = {}
    for (label, variant), rows in measured_cost(run).groupby(["method", "variant"]):
        pixels = rows.width * rows.height
        flops = (rows.flops.fillna(0) / pixels).median()
        pixel[label, variant] = (rows.seconds / pixels).median(), flops
    return EarlierCosts(step, pixel)


def measured_training(run: RunFolder) -> dict[str, dict[str, float]]:
    """`seconds` and `steps` of a run's trainings by entry, each summed over the seeds."""
    measured: dict[str, dict[str, float]] = {}
    for file in sorted((run.path / "train").glob("*/seed*/training.json")):
        facts = training_record.read(file.parent, AGAIN)
        if facts["status"] == schema.OK:
            if not facts.get("seconds") or not facts.get("steps"):
                raise UserError(f"{file} has no seconds or no steps; train the method again.")
            sums = measured.setdefault(file.parts[-3], {"seconds": 0, "steps": 0})
            for name in sums:
                sums[name] += facts[name]
    return measured


def measured_cost(run: RunFolder) -> pd.DataFrame:
    """The rows of a run's cost.csv with the status ok."""
    cost = read_table(run.path / "cost.csv", schema.COST, RUN_FIRST)
    return cost[cost.status == schema.OK]
