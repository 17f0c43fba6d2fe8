"""Builds the method of a configuration's entry."""

import torch

from benchmark import registry
from benchmark.config import Config
from benchmark.method import Method
from benchmark.seeds import named_seed


def build(config: Config, label: str, seed: int) -> Method:
    """The method of an entry with its parameters; a network starts from the seed's weights."""
    kind = registry.load(config.method_of(label))
    torch.manual_seed(named_seed("weights", seed))
    return kind(kind.Parameters(**config.entry(label).parameters))
