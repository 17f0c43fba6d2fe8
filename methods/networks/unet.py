"""The U-Net with self-attention: one backbone for regression and for diffusion.

Convolutional U-Net (Ronneberger et al., 2015) of residual blocks with group normalisation and SiLU,
self-attention at the coarsest level and time embedding as in Ho et al. (2020, appendix B). Two
choices are for speed on a CPU: the image enters as 2×2 pixel blocks (pixel unshuffle, Shi et al.,
2016), and every block is plain 3×3 convolutions, which use a processor's arithmetic best.
"""

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.networks.any_size import pad_to_multiple


class UNet(nn.Module):
    """Maps (B, in_channels, H, W) to (B, out_channels, H, W), for any H, W >= 1.

    width: channels at the first level; multipliers: channels of each level in units of width;
    blocks: residual blocks a level and side; attention: self-attention at the coarsest level;
    time: takes a time t as second input (diffusion). The last convolution starts at zero, so an
    untrained network returns zeros.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        width: int = 48,
        multipliers: tuple[int, ...] = (1, 2, 3, 4),
        blocks: int = 2,
        attention: bool = True,
        time: bool = False,
        unshuffle: int = 2,
    ):
        super().__init__()
        self.unshuffle = unshuffle
        self.multiple = unshuffle * 2 ** (len(multipliers) - 1)
        channels = [width * m for m in multipliers]
        embedding = 4 * width if time else None
        self.time = TimeEmbedding(width, embedding) if time else None

        def level(inputs: int, outputs: int) -> nn.ModuleList:
            first = [ResidualBlock(inputs, outputs, embedding)]
            rest = [ResidualBlock(outputs, outputs, embedding) for _ in range(blocks - 1)]
            return nn.ModuleList(first + rest)

        self.enter = nn.Conv2d(in_channels * unshuffle**2, width, 3, padding=1)
        self.down = nn.ModuleList(
            level(c_in, c) for c_in, c in zip([width, *channels], channels, strict=False)
        )
        self.shrink = nn.ModuleList(nn.Conv2d(c, c, 3, stride=2, padding=1) for c in channels[:-1])
        self.attention = SelfAttention(channels[-1]) if attention else nn.Identity()
        self.middle = ResidualBlock(channels[-1], channels[-1], embedding)
        self.grow = nn.ModuleList(nn.Conv2d(deep, c, 1) for c, deep in itertools.pairwise(channels))
        self.up = nn.ModuleList(level(2 * c, c) for c in channels[:-1])
        self.norm = group_norm(channels[0])
        self.leave = nn.Conv2d(channels[0], out_channels * unshuffle**2, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, x: Tensor, t: Tensor | None = None) -> Tensor:
        """x (B, in_channels, H, W); t (B,) in [0, 1], only for a network built with time=True."""
        height, width = x.shape[-2:]
        embedding = self.time(t) if self.time is not None else None
        x = F.pixel_unshuffle(pad_to_multiple(x, self.multiple), self.unshuffle)
        x = self.enter(x)
        skips = []
        for i, level in enumerate(self.down):
            for block in level:
                x = block(x, embedding)
            if i < len(self.shrink):
                skips.append(x)
                x = self.shrink[i](x)
        x = self.middle(self.attention(x), embedding)
        for i in reversed(range(len(self.up))):
            x = F.interpolate(self.grow[i](x), scale_factor=2.0, mode="nearest")
            x = torch.cat([x, skips[i]], dim=1)
            for block in self.up[i]:
                x = block(x, embedding)
        x = self.leave(F.silu(self.norm(x)))
        return F.pixel_shuffle(x, self.unshuffle)[..., :height, :width]


def group_norm(channels: int) -> nn.GroupNorm:
    """Eight groups, or fewer of four channels: a group of one is not defined on 1×1 pixels."""
    return nn.GroupNorm(min(8, channels // 4), channels)


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions with group normalisation and SiLU; the time shifts the features."""

    def __init__(self, inputs: int, outputs: int, embedding: int | None):
        super().__init__()
        self.norm1 = group_norm(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2 = group_norm(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shift = nn.Linear(embedding, outputs) if embedding else None
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, embedding: Tensor | None) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        if self.shift is not None:
            h = h + self.shift(F.silu(embedding))[:, :, None, None]
        return self.skip(x) + self.conv2(F.silu(self.norm2(h)))


class SelfAttention(nn.Module):
    """Each position looks at all others of the level (Vaswani et al., 2017), with a residual."""

    def __init__(self, channels: int, heads: int = 4):
        super().__init__()
        self.heads = heads
        self.norm = group_norm(channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        qkv = self.qkv(self.norm(x)).reshape(b, 3, self.heads, c // self.heads, h * w)
        q, k, v = qkv.transpose(-1, -2).unbind(dim=1)
        mixed = F.scaled_dot_product_attention(q, k, v)
        return x + self.out(mixed.transpose(-1, -2).reshape(b, c, h, w))


class TimeEmbedding(nn.Module):
    """Sines and cosines of t at geometrically spaced frequencies, then a two-layer network."""

    def __init__(self, width: int, embedding: int):
        super().__init__()
        half = width // 2
        frequencies = 1000 * torch.exp(-math.log(10000) * torch.arange(half) / half)
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.mlp = nn.Sequential(
            nn.Linear(2 * half, embedding), nn.SiLU(), nn.Linear(embedding, embedding)
        )

    def forward(self, t: Tensor) -> Tensor:
        angles = t.float()[:, None] * self.frequencies
        return self.mlp(torch.cat([angles.sin(), angles.cos()], dim=1))
