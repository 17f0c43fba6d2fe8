"""U-Net regression: the clean image in one evaluation."""

import torch
from torch import Tensor, nn

from benchmark.method import Card, LearnedMethod, Settings
from methods.networks.any_size import tiled
from methods.networks.unet import UNet


class Parameters(Settings):
    """Size of the network; see `methods.networks.unet.UNet`."""

    width: int = 32
    multipliers: tuple[int, ...] = (1, 2, 3, 4)
    blocks: int = 1
    unshuffle: int = 2


class Variant(Settings):
    """tile, overlap: the largest square evaluated at once and the tiles' overlap, in pixels."""

    tile: int = 768
    overlap: int = 64


class Regression(LearnedMethod):
    card = Card(
        title="U-Net regression",
        citation="Ronneberger, Fischer and Brox. U-Net: Convolutional Networks for Biomedical "
        "Image Segmentation. MICCAI 2015.",
        url="https://doi.org/10.1007/978-3-319-24574-4_28",
        licence="MIT",
        supervision="paired",
        description="The diffusion model's own backbone, trained to give the clean image directly "
        "by least absolute error; its output is a correction added to the input.",
    )
    Parameters = Parameters
    Variant = Variant

    def build(self) -> nn.Module:
        return UNet(**self.parameters.model_dump())

    def loss(self, clean: Tensor, degraded: Tensor, generator: torch.Generator) -> Tensor:
        """Mean absolute error, on the [-1, 1] scale that the network works in."""
        x = 2 * degraded - 1
        return (x + self.network(x) - (2 * clean - 1)).abs().mean()

    def restore(
        self, degraded: Tensor, variant: Variant, generators: list[torch.Generator]
    ) -> Tensor:
        x = 2 * degraded - 1
        return (x + tiled(self.network, x, variant.tile, variant.overlap) + 1) / 2
