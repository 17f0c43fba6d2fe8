"""NAFNet: a U-shape of convolutional blocks without activation functions.

Chen, Chu, Zhang and Sun, Simple Baselines for Image Restoration, ECCV 2022. The time, if any,
scales and shifts both normalisations of each block, as in Luo et al. (Refusion, CVPR workshops
2023).
"""

import torch
from torch import Tensor, nn

from methods.networks.blocks import AdaptiveNorm, UShape


class NAFNet(UShape):
    """Maps (B, in_channels, H, W) to (B, out_channels, H, W), for any H, W >= 1; see `UShape`."""

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        width: int = 32,
        encoder: tuple[int, ...] = (2, 2, 4),
        middle: int = 4,
        decoder: tuple[int, ...] = (2, 2, 2),
        time: int = 0,
        unshuffle: int = 2,
    ):
        def block(channels: int, index: int, embedding: int | None) -> nn.Module:
            return NAFBlock(channels, embedding)

        super().__init__(
            block, in_channels, out_channels, width, encoder, middle, decoder, time, unshuffle
        )


class NAFBlock(nn.Module):
    """Depth-wise convolution and channel attention, then a feed-forward part (figure 3c).

    Both use the simple gate (section 3.3) instead of an activation function. They are added with
    learnt scales β and γ that start at 0.
    """

    def __init__(self, channels: int, embedding: int | None = None):
        super().__init__()
        self.norm1 = AdaptiveNorm(channels, embedding)
        self.expand1 = nn.Conv2d(channels, 2 * channels, 1)
        self.depthwise = nn.Conv2d(2 * channels, 2 * channels, 3, padding=1, groups=2 * channels)
        self.attention = nn.Conv2d(channels, channels, 1)
        self.project1 = nn.Conv2d(channels, channels, 1)
        self.norm2 = AdaptiveNorm(channels, embedding)
        self.expand2 = nn.Conv2d(channels, 2 * channels, 1)
        self.project2 = nn.Conv2d(channels, channels, 1)
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.gamma = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor, embedding: Tensor | None = None) -> Tensor:
        h = simple_gate(self.depthwise(self.expand1(self.norm1(x, embedding))))
        # Simplified channel attention (equation 6): each channel times a mixture of all means.
        h = h * self.attention(h.mean(dim=(2, 3), keepdim=True))
        x = x + self.beta * self.project1(h)
        h = simple_gate(self.expand2(self.norm2(x, embedding)))
        return x + self.gamma * self.project2(h)


def simple_gate(x: Tensor) -> Tensor:
    """The first half of the channels times the second (equation 4)."""
    first, second = x.chunk(2, dim=1)
    return first * second
