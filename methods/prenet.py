"""PReNet: a small residual network with a convolutional LSTM, applied repeatedly to its output."""

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark import Card, LearnedMethod, Settings
from methods.networks.losses import ssim
from methods.networks.tile_settings import TileSettings


class Parameters(Settings):
    """The published settings. stages: number of times the network is applied; width: channels of
    its features; blocks: number of its residual blocks. memory: whether stages keep features in the
    LSTM; without it the network is the paper's PRN. shared: whether all blocks have the same
    weights, as in the paper's PReNet_r and PRN_r."""

    stages: int = Field(default=6, ge=1)
    width: int = Field(default=32, ge=1)
    blocks: int = Field(default=5, ge=1)
    memory: bool = True
    shared: bool = False


class PReNet(LearnedMethod):
    card = Card(
        title="PReNet",
        citation="Ren, Zuo, Hu, Zhu and Meng. Progressive Image Deraining Networks: A Better and "
        "Simpler Baseline. CVPR 2019.",
        url="https://doi.org/10.1109/CVPR.2019.00406",
        licence="own implementation",
        supervision="paired",
        description="Removes the weather in six stages that share their weights; each keeps "
        "features of the stage before it. Trained on SSIM, as published. Made for rain; here "
        "trained and scored on all weathers. The authors' files of PReNet, PReNet_r, PRN and PRN_r "
        "can be used as its weights.",
    )
    Parameters = Parameters
    Variant = TileSettings

    def build(self) -> nn.Module:
        return ProgressiveNetwork(**self.parameters.model_dump())

    def authors_names(self) -> dict[str, tuple[str, ...]]:
        """In the authors' files each gate of the LSTM is a convolution of its own."""
        blocks = {
            f"blocks.{k}.conv{n + 1}": (f"res_conv{k + 1}.{2 * n}",)
            for k in range(len(self.network.blocks))
            for n in (0, 1)
        }
        gates = {"memory.gates": tuple(f"conv_{gate}.0" for gate in "ifgo")}
        memory = gates if self.parameters.memory else {}
        return {"enter": ("conv0.0",), **memory, **blocks, "leave": ("conv.0",)}

    def loss(self, clean: Tensor, degraded: Tensor, generator: torch.Generator) -> Tensor:
        """1 - SSIM of the last stage's output: the published negative SSIM, with 0 for perfect."""
        return 1 - ssim(self.network(degraded), clean)

    def restore(
        self, degraded: Tensor, variant: TileSettings, generators: list[torch.Generator]
    ) -> Tensor:
        return variant.restore(self.network, degraded)


class ProgressiveNetwork(nn.Module):
    """Maps degraded (B, 3, H, W) in [0, 1] to restored, for any H, W >= 1; see `Parameters`.

    Each stage takes the degraded image and the result of the stage before (at first the degraded
    image), and adds its output to the degraded image. All stages together count as one evaluation,
    because no stage is used alone.
    """

    def __init__(
        self,
        stages: int = 6,
        width: int = 32,
        blocks: int = 5,
        memory: bool = True,
        shared: bool = False,
    ):
        super().__init__()
        self.stages = stages
        self.repeats = blocks if shared else 1
        self.enter = nn.Conv2d(6, width, 3, padding=1)
        self.memory = ConvLSTM(width) if memory else None
        self.blocks = nn.ModuleList(ResidualBlock(width) for _ in range(1 if shared else blocks))
        self.leave = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, degraded: Tensor) -> Tensor:
        restored, state = degraded, None
        for _ in range(self.stages):
            x = F.relu(self.enter(torch.cat([degraded, restored], dim=1)))
            if self.memory is not None:
                x, state = self.memory(x, state)
            for _ in range(self.repeats):
                for block in self.blocks:
                    x = block(x)
            restored = degraded + self.leave(x)
        return restored


class ConvLSTM(nn.Module):
    """A long short-term memory (without peepholes) with 3×3 convolutions as matrix products.

        i, f, g, o = conv([x, h]);  c' = σ(f) c + σ(i) tanh(g);  h' = σ(o) tanh(c')

    Shi et al., Convolutional LSTM Network, NeurIPS 2015, equation 3. The four are one convolution.
    """

    def __init__(self, width: int):
        super().__init__()
        self.gates = nn.Conv2d(2 * width, 4 * width, 3, padding=1)

    def forward(
        self, x: Tensor, state: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """x (B, width, H, W); state: hidden h and cell c, both of x's shape, or None for zeros.

        Returns h' and the new state (h', c').
        """
        hidden, cell = (torch.zeros_like(x), torch.zeros_like(x)) if state is None else state
        i, f, g, o = self.gates(torch.cat([x, hidden], dim=1)).chunk(4, dim=1)
        cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
        hidden = o.sigmoid() * cell.tanh()
        return hidden, (hidden, cell)


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions, a ReLU after each and after the sum, as in the authors' code."""

    def __init__(self, width: int):
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + F.relu(self.conv2(F.relu(self.conv1(x)))))
