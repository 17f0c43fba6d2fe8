"""What a profile measures, read from `config/profile.yaml`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from benchmark.core.errors import UserError
from benchmark.core.validation import parse, read_yaml
from benchmark.spec import registry, sources
from benchmark.spec.method import Settings
from benchmark.spec.run_config import Config, Name

# Keys of a profile's result beside those of the comparisons.
RESERVED = (
    "matmul_gflops", "denoisers", "bf16_speedup", "simulation_share_of_training", "busy_slowdown",
    "step_speedup", "scoring_speedup", "scoring_max_difference", "sampling_memory_ratio",
    "environment", "reasons",
)  # fmt: skip


class Network(Settings):
    """A learned method, the file `methods/METHOD.py`, with its parameters."""

    method: str
    parameters: dict[str, Any] = {}


class Comparison(Settings):
    """One variant of a trained method against another, both as settings of the method.

    The weights are those of the run's first entry of `method`. images: how many images are restored
    with each variant.
    """

    method: str
    variant: dict[str, Any] = {}
    against: dict[str, Any]
    images: int = Field(ge=1)


class Profile(Settings):
    """All measurements.

    denoisers: networks whose training step and sampling are measured as shares of the machine's
    matrix-product rate. simulation: the network whose training steps are compared with making
    training pairs. memory: the network whose memory in sampling is measured. loaders: the network
    of the verb `loaders`. scoring_images: the number of images that are scored.
    """

    denoisers: dict[Name, Network]
    simulation: Network
    memory: Network
    loaders: Network
    scoring_images: int = Field(ge=1)
    comparisons: dict[Name, Comparison]

    @field_validator("comparisons")
    @classmethod
    def _names_are_free(cls, comparisons: dict[str, Comparison]) -> dict[str, Comparison]:
        for name in comparisons:
            if name in RESERVED:
                raise ValueError(f"'{name}' is the name of another figure; choose another name")
        return comparisons

    def networks(self) -> Iterator[tuple[str, Network]]:
        """Every network with its key."""
        for name, network in self.denoisers.items():
            yield f"denoisers.{name}", network
        for key in ("simulation", "memory", "loaders"):
            yield key, getattr(self, key)


def load(path: Path) -> Profile:
    """Read and check a profile's settings.

    Raises UserError that names the file and the key at fault: not YAML, unknown key, wrong type, a
    method that is unknown or does not learn, and parameters or variants that it does not have.
    """
    settings = parse(Profile, read_yaml(path), str(path))
    for key, network in settings.networks():
        _check(network, f"{path}: {key}")
    for name, comparison in settings.comparisons.items():
        where = f"{path}: comparisons.{name}"
        _check(Network(method=comparison.method), where)
        for key in ("variant", "against"):
            variant = registry.load(comparison.method).Variant
            parse(variant, getattr(comparison, key), f"{where}.{key}")
    return settings


def network_of(config: Config, label: str, where: Path) -> Network:
    """The network of a run's entry. where: the run's file, for messages.

    Raises UserError if there is no such entry, it does not learn, or its parameters are wrong.
    """
    parameters = config.entry(label).parameters
    network = Network(method=config.method_of(label), parameters=parameters)
    _check(network, f"{where}: methods.{label}")
    return network


def _check(network: Network, where: str) -> None:
    try:
        registry.check_name(network.method)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    if not sources.learns(network.method):
        raise UserError(f"{where}: '{network.method}' does not learn. Name a learned method.")
    parse(registry.load(network.method).Parameters, network.parameters, f"{where}.parameters")
