"""Loads every weight file that a configuration names, before anything runs."""

from pathlib import Path

from benchmark.core.errors import UserError, WeightsMissing
from benchmark.spec import given_weights, registry, sources
from benchmark.spec.build import build
from benchmark.spec.run_config import Config


def check_weights(config: Config, where: str | Path) -> list[str]:
    """Load the weights of every entry that names some; returns a warning for each missing file.

    A missing file is no fault: the data may not be pulled yet, and on the board its entry has the
    status weights-missing. Nor is a method that cannot be built: its results will be failed.
    Raises UserError with `where` (the configuration's file), the entry and the fault of the first
    file that cannot be read or does not fit.
    """
    missing = []
    for label in config.methods:
        if config.trains(label):
            continue
        load = _load_given if sources.learns(config.method_of(label)) else _load_own
        for seed in config.seeds_of(label):
            try:
                load(config, label, seed)
            except WeightsMissing as error:
                missing.append(f"{where}: methods.{label}: {error}")
            except UserError as error:
                raise UserError(f"{where}: methods.{label}: {error}") from None
            except Exception:  # the method's own: its results will be failed
                break
    return missing


def _load_given(config: Config, label: str, seed: int) -> None:
    """The file of the entry's or the run's key `weights`."""
    given_weights.load(build(config, label, seed), config.weights_of(label, seed))


def _load_own(config: Config, label: str, seed: int) -> None:
    """The file of a method's parameter `weights`; its network is loaded at its first use."""
    if "weights" in registry.load(config.method_of(label)).Parameters.model_fields:
        _ = build(config, label, seed).network
