"""Regression: the clean image in one evaluation of a denoiser."""

import torch
from torch import Tensor, nn

from benchmark import Card, LearnedMethod
from methods.networks.denoisers import DenoiserSettings
from methods.networks.losses import LOSSES, Loss
from methods.networks.tile_settings import TileSettings


class Parameters(DenoiserSettings):
    """loss: root mean square error of each image, alone or with SSIM (and LPIPS), or the mean
    absolute or squared error; see `methods.networks.losses`."""

    loss: Loss = "rmse+ssim"


class Regression(LearnedMethod):
    card = Card(
        title="Regression",
        citation="By the denoiser. U-Net: Ronneberger, Fischer and Brox, MICCAI 2015. NAFNet: "
        "Chen, Chu, Zhang and Sun, ECCV 2022. Restormer: Zamir et al., CVPR 2022. Transformer: "
        "after Swin (Liu et al., ICCV 2021) and Uformer (Wang et al., CVPR 2022).",
        licence="MIT",
        supervision="paired",
        description="A denoiser, the U-Net by default, trained to predict the clean image "
        "directly. Its output is a correction that is added to the input.",
    )
    Parameters = Parameters
    Variant = TileSettings

    def build(self) -> nn.Module:
        return self.parameters.build(in_channels=3, time=False)

    def loss(self, clean: Tensor, degraded: Tensor, generator: torch.Generator) -> Tensor:
        """The error of the degraded image plus the network's output, in the [-1, 1] scale."""
        x = 2 * degraded - 1
        return LOSSES[self.parameters.loss](x + self.network(x), 2 * clean - 1)

    def restore(
        self, degraded: Tensor, variant: TileSettings, generators: list[torch.Generator]
    ) -> Tensor:
        def clean_image(degraded: Tensor) -> Tensor:
            x = 2 * degraded - 1
            return (x + self.network(x) + 1) / 2

        return variant.restore(clean_image, degraded)
