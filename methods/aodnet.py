"""AOD-Net: dehazing by one learnt map K that joins transmission and atmospheric light."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark import Card, LearnedMethod
from methods.networks.any_size import tiled
from methods.networks.tile_settings import TileSettings

OFFSET = 1.0  # b


class AODNet(LearnedMethod):
    card = Card(
        title="AOD-Net",
        citation="Li, Peng, Wang, Xu and Feng. AOD-Net: All-in-One Dehazing Network. ICCV 2017.",
        url="https://doi.org/10.1109/ICCV.2017.511",
        licence="own implementation",
        supervision="paired",
        description="Solves the haze model for the clear image with one map from a network of 1761 "
        "parameters; trained for the squared error, as published. Made for haze; here trained and "
        "scored on all weathers, like every learned method.",
    )
    Variant = TileSettings

    def build(self) -> nn.Module:
        return AllInOneNetwork()

    def loss(self, clean: Tensor, degraded: Tensor, generator: torch.Generator) -> Tensor:
        """The published mean squared error: published baselines keep their own loss."""
        return F.mse_loss(self.network(degraded), clean)

    def restore(
        self, degraded: Tensor, variant: TileSettings, generators: list[torch.Generator]
    ) -> Tensor:
        tile, overlap, batch = variant.tiles(self.network, 3, degraded)
        return tiled(self.network, degraded, tile, overlap, batch=batch)


class AllInOneNetwork(nn.Module):
    """Maps degraded I (B, 3, H, W) in [0, 1] to J = K I − K + b, for any H, W >= 1.

    K (B, 3, H, W) >= 0 comes from I by five convolutions, each with a ReLU, the later ones on
    features of several before them. It joins both unknowns of the haze model I = J t + A (1 − t):
    K = ((I − A)/t + A − b)/(I − 1), so J <= b where I <= 1.

    K starts at 1 everywhere, that is J = I. A random K is often negative, and a ReLU that is never
    positive has no gradient to learn from.
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
        """K."""
        x1 = F.relu(self.conv1(degraded))
        x2 = F.relu(self.conv2(x1))
        x3 = F.relu(self.conv3(torch.cat([x1, x2], dim=1)))
        x4 = F.relu(self.conv4(torch.cat([x2, x3], dim=1)))
        return F.relu(self.conv5(torch.cat([x1, x2, x3, x4], dim=1)))
