"""AOD-Net: dehazing by one learnt map K that unites transmission and atmospheric light."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark import Card, LearnedMethod
from methods.networks.tile_settings import TileSettings

OFFSET = 1.0  # b


class AODNet(LearnedMethod):
    card = Card(
        title="AOD-Net",
        citation="Li, Peng, Wang, Xu and Feng. AOD-Net: All-in-One Dehazing Network. ICCV 2017.",
        url="https://doi.org/10.1109/ICCV.2017.511",
        licence="own implementation",
        supervision="paired",
        description="A network with 1761 parameters predicts one map; the haze model then gives "
        "the clear image. Trained on the squared error, as published. Made for haze; here trained "
        "and scored on all weathers, like every learned method. The authors' Caffe model can be "
        "used as its weights.",
    )
    Variant = TileSettings

    def build(self) -> nn.Module:
        return AllInOneNetwork()

    def authors_names(self) -> dict[str, tuple[str, ...]]:
        """Those of M. Singal's file for PyTorch. The authors' Caffe model has our names."""
        return {f"conv{k}": (f"e_conv{k}",) for k in range(1, 6)}

    def loss(self, clean: Tensor, degraded: Tensor, generator: torch.Generator) -> Tensor:
        """The mean squared error, as published: published baselines keep their own loss."""
        return F.mse_loss(self.network(degraded), clean)

    def restore(
        self, degraded: Tensor, variant: TileSettings, generators: list[torch.Generator]
    ) -> Tensor:
        return variant.restore(self.network, degraded)


class AllInOneNetwork(nn.Module):
    """Maps degraded I (B, 3, H, W) in [0, 1] to J = K I − K + b (equation 4), for any H, W >= 1.

    Five convolutions, each with a ReLU, give K (B, 3, H, W) >= 0 from I; the later ones also take
    features of earlier ones. K unites both unknowns of the haze model I = J t + A (1 − t):
    K = ((I − A)/t + A − b)/(I − 1), so that J <= b for I <= 1.

    K starts at 1 everywhere, which gives J = I. With random weights the last ReLU is often 0
    everywhere and has no gradient.
    """

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 3, 1)
        self.conv2 = nn.Conv2d(3, 3, 3, padding=1)
        self.conv3 = nn.Conv2d(6, 3, 5, padding=2)
        self.conv4 = nn.Conv2d(6, 3, 7, padding=3)
        self.conv5 = nn.Conv2d(12, 3, 3, padding=1)
        nn.init.zeros_(self.conv5.weight)
        nn.init.ones_(self.conv5.bias)

    def forward(self, degraded: Tensor) -> Tensor:
        k = self.estimate(degraded)
        return k * degraded - k + OFFSET

    def estimate(self, degraded: Tensor) -> Tensor:
        """K (B, 3, H, W) >= 0."""
        x1 = F.relu(self.conv1(degraded))
        x2 = F.relu(self.conv2(x1))
        x3 = F.relu(self.conv3(torch.cat([x1, x2], dim=1)))
        x4 = F.relu(self.conv4(torch.cat([x2, x3], dim=1)))
        return F.relu(self.conv5(torch.cat([x1, x2, x3, x4], dim=1)))
