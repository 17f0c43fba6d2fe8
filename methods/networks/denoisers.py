"""The denoisers by name, at two sizes: `small` for CPU cores, `full` for a GPU.

The small ones take about the same time for a training step on a CPU. The full ones have about 80
million parameters as denoisers of a diffusion model, with time and condition; WeatherDiff's has 83
million. Restormer keeps its published size, as a baseline. All are called as
network(x, t=None), with x (B, in_channels, H, W) for any H, W >= 1, and return (B, 3, H, W).
"""

import inspect
from collections.abc import Iterable
from typing import Any, Literal, get_args

from pydantic import TypeAdapter, ValidationError, model_validator
from torch import nn

from benchmark import Alternatives, Settings
from benchmark.core.errors import nearest
from methods.networks.nafnet import NAFNet
from methods.networks.restormer import Restormer
from methods.networks.transformer import Transformer
from methods.networks.unet import Conditioning, UNet

NETWORKS: Alternatives = {
    "unet": UNet,
    "nafnet": NAFNet,
    "transformer": Transformer,
    "restormer": Restormer,
}

# Arguments of the networks that the methods set, not their users.
SET_BY_METHODS = {"in_channels", "out_channels", "time", "conditioning"}

BLOCKS = {"blocks", "encoder", "middle", "decoder", "refinement"}  # numbers of blocks: may be 0

DENOISERS: Alternatives = {
    "unet": {
        "small": {"width": 48, "multipliers": (1, 1, 1, 1), "blocks": 1, "unshuffle": 2},
        # WeatherDiff's levels.
        "full": {"width": 192, "multipliers": (1, 2, 3, 4), "blocks": 2, "unshuffle": 2},
    },
    "nafnet": {
        "small": {
            "width": 32, "encoder": (1, 1, 2), "middle": 4, "decoder": (1, 1, 1), "unshuffle": 2
        },
        # The authors' network of 116 million parameters, with 6 and not 12 blocks in the middle.
        "full": {
            "width": 64, "encoder": (2, 2, 4, 8), "middle": 6, "decoder": (2, 2, 2, 2),
            "unshuffle": 1,
        },
    },
    "transformer": {
        "small": {"width": 32, "encoder": (0, 1), "middle": 4, "decoder": (1, 1), "unshuffle": 2},
        "full": {
            "width": 96, "encoder": (2, 4, 6), "middle": 8, "decoder": (2, 4, 6), "unshuffle": 2
        },
    },
    "restormer": {
        "small": {
            "width": 16, "blocks": (1, 1, 2, 2), "heads": (1, 2, 4, 8), "refinement": 0,
            "unshuffle": 2,
        },
        "full": {
            "width": 48, "blocks": (4, 6, 6, 8), "heads": (1, 2, 4, 8), "refinement": 4,
            "unshuffle": 1,
        },
    },
}  # fmt: skip


def build(
    name: str,
    size: str,
    in_channels: int,
    time: int,
    conditioning: Conditioning = "concatenation",
    **overrides,
) -> nn.Module:
    """The untrained denoiser of that name and size; `overrides` replace settings of that size.

    in_channels: 6 for a condition and a noisy image, in this order; time: number of times t at the
    second input; conditioning: see `UNet`; no other network has `modulation`. Raises ValueError for
    an unknown name, size or conditioning, and for modulation with another network.
    """
    _check("denoiser", name, DENOISERS.keys())
    _check("size", size, DENOISERS[name])
    _check("conditioning", conditioning, get_args(Conditioning))
    settings = {**DENOISERS[name][size], **overrides}
    if name == "unet":
        settings["conditioning"] = conditioning
    elif conditioning == "modulation":
        raise ValueError(f"conditioning by modulation is made for 'unet', not for '{name}'")
    return NETWORKS[name](in_channels=in_channels, time=time, **settings)


class DenoiserSettings(Settings):
    """denoiser: the kind of network; size: `small` for CPU cores, `full` for a GPU; network:
    arguments of the network's class, such as `width`, that replace those of the size."""

    denoiser: Literal["unet", "nafnet", "transformer", "restormer"] = "unet"
    size: Literal["small", "full"] = "small"
    network: dict[str, Any] = {}

    @model_validator(mode="after")
    def _network_is_known(self) -> "DenoiserSettings":
        signature = inspect.signature(NETWORKS[self.denoiser], eval_str=True).parameters
        known = signature.keys() - SET_BY_METHODS
        for key in self.network:
            if key not in known:
                raise ValueError(f"network: unknown key '{key}'.{nearest(key, known)}")
        for key, value in self.network.items():
            _check_argument(key, value, signature[key].annotation)
        return self

    def build(self, in_channels: int, time: int, **overrides) -> nn.Module:
        """The untrained network; see `build`."""
        settings = {**self.network, **overrides}
        return build(self.denoiser, self.size, in_channels, time, **settings)


def _check_argument(key: str, value: Any, kind: Any) -> None:
    """Raise ValueError for a value of another type, and for numbers that leave no network."""
    try:
        value = TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise ValueError(f"network.{key}: {error.errors()[0]['msg']}") from None
    for number in value if isinstance(value, tuple) else [value]:
        too_small = number < 0 or (number == 0 and key not in BLOCKS)
        if too_small and not isinstance(number, bool):
            raise ValueError(f"network.{key}: {number} is too small")


def _check(what: str, name: str, known: Iterable[str]) -> None:
    if name not in known:
        raise ValueError(f"unknown {what} '{name}'.{nearest(name, known)}")
