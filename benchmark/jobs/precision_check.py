"""Finds what takes longer in bfloat16 on this machine, before anything runs."""

from pathlib import Path

import torch

from benchmark.core.device import choose, emulates_bf16
from benchmark.jobs.resolve import Resolved
from benchmark.spec.run_config import Config


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
