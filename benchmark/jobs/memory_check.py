"""Estimates the memory of each training, before anything runs."""

from pathlib import Path

from benchmark.spec.build import build
from benchmark.spec.method import LearnedMethod
from benchmark.spec.run_config import Config
from benchmark.spec.training_settings import Stage
from benchmark.training.step_memory import step_bytes

# Smaller steps are not estimated, which can take two seconds: by `step_bytes`, tensors of the
# networks of config/reference.yaml and config/gpu.yaml take at most 7,171 times the pairs' bytes.
MOST_TIMES = 10_000


def check_training_memory(config: Config, where: str | Path, memory: int) -> list[str]:
    """A warning for each entry of which a training step needs more than `memory` bytes.

    A warning and no error, because the estimate is of float32 on one processor: bf16 and a GPU with
    more memory need less. A method that cannot be built or estimated has no warning.
    """
    warnings = []
    for label in config.methods:
        if not config.trains(label):
            continue
        settings = config.training_of(label)
        for stage in settings.stages:
            pairs = stage.batch // settings.accumulate
            if stage.pair_bytes(settings.accumulate) * MOST_TIMES < memory:
                continue
            needed = _needed(config, label, stage, pairs)
            if needed and needed > memory:
                warnings.append(
                    f"{where}: methods.{label}: training.stages: a step with {pairs} pairs of "
                    f"{stage.crop}×{stage.crop} pixels needs about {needed / 2**30:.3g} GiB, and "
                    f"this machine has {memory / 2**30:.3g}. Choose a smaller batch or crop, or "
                    "more parts ('accumulate')"
                )
    return warnings


def _needed(config: Config, label: str, stage: Stage, pairs: int) -> int | None:
    """Bytes of a step, or None if the method does not allow an estimate."""
    seed = config.seeds_of(label)[0]
    try:
        method = build(config, label, seed)
        if not isinstance(method, LearnedMethod):
            return None
        if teacher := config.entry(label).teacher:
            method.learn_from(build(config, teacher, seed))
        return step_bytes(method, pairs, stage.crop)
    except Exception:  # the method's own: its results will be failed
        return None
