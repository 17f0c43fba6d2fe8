"""Finds what would take far longer in bfloat16 on this machine, before anything runs."""

from pathlib import Path

from benchmark.core.device import choose, emulates_bf16
from benchmark.spec import sources
from benchmark.spec.run_config import Config


def check_precision(config: Config, where: str | Path) -> list[str]:
    """A warning for each training and variant in bfloat16, if this machine only emulates it.

    A warning and no error, because the results are right, and the jobs may run on other machines.
    """
    if not emulates_bf16(choose()):
        return []
    found = []
    for label in config.methods:
        key = f"methods.{label}"
        learned = config.trains(label) and sources.learns(config.method_of(label))
        if learned and config.training_of(label).precision == "bf16":
            found.append((f"{key}: training.precision", "auto"))
        for variant, settings in config.variants_of(label).items():
            if settings.get("precision") == "bf16":
                found.append((f"{key}.variants.{variant}: precision", "float32"))
    return [
        f"{where}: {place}: 'bf16' takes many times as long on this processor, which has no "
        f"arithmetic of bfloat16. Set it to '{better}'"
        for place, better in found
    ]
