"""A published checkpoint, given by its file: any restoration network that spandrel recognises."""

from functools import cache, cached_property
from pathlib import Path
from typing import Literal

import torch
from spandrel import MAIN_REGISTRY, ImageModelDescriptor, ModelLoader, UnsupportedModelError
from torch import Tensor, nn

from benchmark import Card, Method, Settings, UserError, WeightsMissing
from benchmark.core import foreign_checkpoints, weight_search
from benchmark.core.checksum import checksum
from methods.networks.tile_settings import TileSettings

# Architectures that take images in [-1, 1]: spandrel 0.4.2 scales the output but not the input.
# MixDehazeNet's authors scale both (datasets/loader.py of github.com/AmeryXiong/MixDehazeNet).
SIGNED_INPUT = {"MixDehazeNet"}


class Parameters(Settings):
    """weights: path of the file, `.safetensors` or a torch checkpoint (`.pth`, `.pt`), relative to
    the current folder. key (keys of nested dicts, joined by dots) and prefix (of the names) say
    where in the file the network is; without them, usual wrappers such as `params_ema` and
    `module.` are tried."""

    weights: str | None = None
    key: str = ""
    prefix: str = ""


class Variant(TileSettings):
    """As `TileSettings`, but one tile at a time: spandrel's models take a single image."""

    tile_batch: Literal[1] = 1


class Checkpoint(Method):
    card = Card(
        title="Published checkpoint",
        citation="The checkpoint's own.",
        url="https://github.com/chaiNNer-org/spandrel",
        licence="The checkpoint's own.",
        supervision="paired",
        description="A published restoration network with its authors' weights; this suite does "
        "not train it. spandrel recognises the architecture by the names and shapes in the file.",
    )
    Parameters = Parameters
    Variant = Variant

    @cached_property
    def model(self) -> ImageModelDescriptor:
        """The network as spandrel loads and calls it, on the method's device; loaded at first use.

        Raises WeightsMissing if there is no file, UserError if it has no restoration network for
        RGB images.
        """
        return _load(_file(self.parameters), self.parameters).eval().to(self.device)

    @property
    def network(self) -> nn.Module:
        return self.model.model

    def restore(
        self, degraded: Tensor, variant: Variant, generators: list[torch.Generator]
    ) -> Tensor:
        model = self.model  # loaded first, because tiles may be measured on tensors without content

        def evaluate(x: Tensor) -> Tensor:
            x = 2 * x - 1 if model.architecture.id in SIGNED_INPUT else x
            # The model pads to the sizes that its architecture takes, crops, and clamps to [0, 1].
            return torch.cat([model(image) for image in x.split(1)])

        return variant.restore(evaluate, degraded)

    def evaluations(self, variant: Variant) -> int:
        return 1

    def facts(self) -> dict[str, float | str]:
        """The architecture and the file's checksum. Empty if there is no network; the status of the
        images then gives the reason."""
        try:
            return {
                "architecture": self.model.architecture.name,
                "sha256": checksum(_file(self.parameters)),
            }
        except UserError:
            return {}


def _file(parameters: Parameters) -> Path:
    weights = parameters.weights
    if weights is None or not Path(weights).exists():
        problem = "no file is set" if weights is None else f"there is no {weights}"
        raise WeightsMissing(
            f"A checkpoint's weights: {problem}. Set parameters: {{weights: PATH}} of this method."
        )
    return Path(weights)


def _load(path: Path, parameters: Parameters) -> ImageModelDescriptor:
    """The model of a file. Raises UserError unless it restores RGB images at their own size."""
    model = _recognised(path, parameters)
    channels = (model.input_channels, model.output_channels)
    if model.purpose != "Restoration" or model.scale != 1 or channels != (3, 3):
        raise UserError(
            f"{path} is {model.architecture.name} for {model.purpose}, scale {model.scale}, "
            f"{channels[0]} to {channels[1]} channels. Set a file for restoration at scale 1, "
            "3 to 3 channels."
        )
    return model


def _recognised(path: Path, parameters: Parameters) -> ImageModelDescriptor:
    """The first part of a file in which spandrel recognises a network. UserError if there is none.

    The message has the names in the file, and the networks that spandrel knows.
    """
    extra = _register_extra()
    tensors = weight_search.named_tensors(foreign_checkpoints.read_any(path))
    if parameters.key or parameters.prefix:
        tensors = weight_search.chosen(tensors, parameters.key, parameters.prefix, str(path))
    cause: Exception | None = None
    for part in weight_search.candidates(tensors):
        try:
            return ModelLoader().load_from_state_dict(part)
        except UnsupportedModelError as error:
            cause = cause or error
        except Exception as error:  # of any type, if names are known but shapes are not
            cause = error
    known = ", ".join(sorted(each.architecture.name for each in MAIN_REGISTRY.architectures()))
    more = "" if extra else " The package spandrel_extra_arches knows more, such as Restormer."
    raise UserError(
        f"{path} has no network that spandrel recognises ({type(cause).__name__}). It has "
        f"{weight_search.summary(tensors) or 'no tensors'}. spandrel knows {known}.{more} If the "
        "network is only a part of the file, set parameters: {key: …, prefix: …}."
    ) from cause


@cache
def _register_extra() -> bool:
    """Add the networks of spandrel_extra_arches, if it is installed: their licences differ."""
    try:
        import spandrel_extra_arches
    except ImportError:
        return False
    spandrel_extra_arches.install(ignore_duplicates=True)
    return True
