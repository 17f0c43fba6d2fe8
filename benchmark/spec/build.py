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
