"""Checks of a configuration before anything runs: weight files, precision, memory of trainings."""

from collections.abc import Iterator
from pathlib import Path

import torch

from benchmark.core.device import choose, emulates_bf16
from benchmark.core.errors import UserError, WeightsMissing
from benchmark.jobs.resolve import Resolved
from benchmark.spec import given_weights, registry, sources
from benchmark.spec.build import build, give_untrained_teacher
from benchmark.spec.run_config import Config
from benchmark.spec.training_settings import Stage
from benchmark.training.step_memory import step_bytes

# Smaller steps are not estimated, which can take two seconds: by `step_bytes`, tensors of the
# networks of config/reference.yaml and config/gpu.yaml take at most 7,171 times the pairs' bytes.
MOST_TIMES = 10_000


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


def check_precision(config: Config, where: str | Path, resolved: Resolved | None) -> list[str]:
    """A warning for each training and variant in bfloat16, if this machine only emulates it.

    resolved: what the run has recorded, or None; if its jobs run on the nodes of a cluster, there
    is no warning. A warning and no error, because the results are right.
    """
    device = resolved.device if resolved else choose().type
    if device is None or not emulates_bf16(torch.device(device)):
        return []
    return [
        f"{where}: {key}: 'bf16' takes many times as long on this processor, which has no "
        f"instructions for bfloat16. Set it to '{better}'"
        for key, better in _in_bfloat16(config)
    ]


def _in_bfloat16(config: Config) -> list[tuple[str, str]]:
    """Keys of the configuration that say bf16, each with what to say instead."""
    trained = [label for label in config.methods if config.trains(label)]
    found = []
    if config.training.precision == "bf16" and trained:
        found.append(("training.precision", "auto"))
    for label in trained:
        if config.entry(label).training.get("precision") == "bf16":
            found.append((f"methods.{label}.training.precision", "auto"))
    for label in config.methods:
        for variant, settings in config.variants_of(label).items():
            if settings.get("precision") == "bf16":
                found.append((f"methods.{label}.variants.{variant}.precision", "float32"))
    return found


def refuse_training_memory(config: Config, where: str | Path, memory: int) -> None:
    """Raise UserError for a training whose pairs alone, of one part of a batch, need more than
    `memory` bytes."""
    for label, stage, pairs, least in _stages(config):
        if least > memory:
            raise UserError(
                f"{where}: methods.{label}: training.stages: {_pairs(stage, pairs)} need "
                f"{_of_memory(least, memory)}."
            )


def check_training_memory(config: Config, where: str | Path, memory: int) -> list[str]:
    """A warning for each entry of which a training step needs more than `memory` bytes.

    A warning and no error, because the estimate is of float32 on one processor: bf16 and a GPU with
    more memory need less. A method that cannot be built or estimated has no warning.
    """
    warnings = []
    for label, stage, pairs, least in _stages(config):
        needed = least * MOST_TIMES > memory and _needed(config, label, stage, pairs)
        if needed and needed > memory:
            warnings.append(
                f"{where}: methods.{label}: training.stages: a step with {_pairs(stage, pairs)} "
                f"needs about {_of_memory(needed, memory)}"
            )
    return warnings


def _stages(config: Config) -> Iterator[tuple[str, Stage, int, int]]:
    """Entry, stage, the pairs that are computed at once and their bytes, of all trainings."""
    for label in config.methods:
        if not config.trains(label):
            continue
        settings = config.training_of(label)
        for stage in settings.stages:
            pairs = stage.batch // settings.accumulate
            yield label, stage, pairs, stage.pair_bytes(settings.accumulate)


def _pairs(stage: Stage, pairs: int) -> str:
    return f"{pairs} pairs of {stage.crop}×{stage.crop} pixels"


def _of_memory(needed: int, memory: int) -> str:
    """Both in words, and what to do if more is needed than there is."""
    return (
        f"{needed / 2**30:.3g} GiB, and this machine has {memory / 2**30:.3g}. Choose a smaller "
        "batch or crop, or more parts ('accumulate')"
    )


def _needed(config: Config, label: str, stage: Stage, pairs: int) -> int | None:
    """Bytes of a step, or None if the method does not allow an estimate."""
    try:
        method = build(config, label, config.seeds_of(label)[0])
        give_untrained_teacher(config, label, method)
        return step_bytes(method, pairs, stage.crop)
    except Exception:  # the method's own: its results will be failed
        return None
