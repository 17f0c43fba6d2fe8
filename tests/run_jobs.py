"""Jobs of a run in this process, without a process for the method: for tests."""

from typing import Any

from benchmark.core.json_io import read_json, write_json
from benchmark.jobs import outcome
from benchmark.jobs import restore as restoring
from benchmark.jobs import score as scoring
from benchmark.jobs import train as training
from benchmark.jobs.identity import Identities
from benchmark.results import schema
from benchmark.results.layout import RunFolder
from benchmark.spec.run_config import Config


def train(config: Config, run: RunFolder, label: str, seed: int) -> dict[str, Any]:
    """Train and write training.json; returns its content."""
    identity = Identities(config).training(label, seed)
    result = training.train(config, run, label, seed, identity)
    outcome.write_training(run, label, seed, result, None)
    return read_json(run.training(label, seed) / "training.json")


def fail_training(run: RunFolder, label: str, seed: int, reason: str) -> None:
    """Write the training.json of a training that failed."""
    failed = {"status": schema.FAILED, "reason": reason}
    write_json(run.training(label, seed) / "training.json", failed)


def restore(
    config: Config, run: RunFolder, label: str, variant: str, seed: int, dataset: str
) -> None:
    """Restore and write the table."""
    unit = (label, variant, seed, dataset)
    identity = Identities(config).restoring(*unit)
    result = restoring.restore(config, run, *unit, identity, None)
    outcome.write_restored(run, *unit, result, identity, None)


def score(config: Config, run: RunFolder, label: str, seed: int, dataset: str) -> None:
    """Score and write the table."""
    unit = (label, seed, dataset)
    scoring.score(config, run, *unit, Identities(config).scoring(*unit))
