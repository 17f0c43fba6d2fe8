"""Builds the method of an entry of the configuration."""

import torch

from benchmark.core import streams
from benchmark.core.seeds import named_seed
from benchmark.spec import registry
from benchmark.spec.method import Method
from benchmark.spec.run_config import Config


def build(config: Config, label: str, seed: int) -> Method:
    """The method of an entry with its parameters; its network is initialised by `seed`."""
    kind = registry.load(config.method_of(label))
    torch.manual_seed(named_seed("weights", seed))
    method = kind(kind.Parameters(**config.entry(label).parameters))
    streams.reopen_closed()
    return method


def give_untrained_teacher(config: Config, label: str, method: Method) -> None:
    """Let a method learn from its entry's teacher, if it has one, untrained: enough to count and
    estimate what its training takes."""
    if teacher := config.entry(label).teacher:
        method.learn_from(build(config, teacher, config.seeds_of(label)[0]))
