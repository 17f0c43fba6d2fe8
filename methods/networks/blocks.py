"""What several networks are made of: time embedding, normalisation and U-shape."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.networks.any_size import pad_to_multiple


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


class AdaptiveNorm(nn.Module):
    """Layer normalisation over the channels of each pixel; the time scales and shifts the result.

    adaLN (Peebles and Xie, 2023, section 3.2); without `embedding`, the number of features of the
    time, it is a plain layer normalisation. The time starts without influence.
    """

    def __init__(self, channels: int, embedding: int | None):
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.modulation = nn.Linear(embedding, 2 * channels) if embedding else None
        if self.modulation is not None:
            nn.init.zeros_(self.modulation.weight)
            nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, embedding: Tensor | None) -> Tensor:
        """x (B, C, H, W), best in channels_last, which the result has; embedding (B, E)."""
        x = self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        if self.modulation is None:
            return x
        scale, shift = self.modulation(F.silu(embedding))[:, :, None, None].chunk(2, dim=1)
        return x * (1 + scale) + shift


class UShape(nn.Module):
    """A U-shaped network of one kind of block: (B, in_channels, H, W) to (B, out_channels, H, W).

    As NAFNet (Chen et al., 2022, figure 2): each level halves the resolution and doubles the
    channels, and the skip connections add. block(channels, index, embedding) builds the block of
    that index in its level, which maps ((B, channels, h, w), embedding) to the same shape.

    width: channels at the first level; encoder, decoder: blocks of each level, the finest first;
    middle: blocks at the coarsest; time: takes a time t as second input; unshuffle: side of the
    pixel blocks that enter as one. Any H, W >= 1: images are padded with their last row and column.
    The last convolution starts at zero, so an untrained network returns zeros. Raises ValueError
    if encoder and decoder differ in their number of levels.
    """

    def __init__(
        self,
        block: Callable[[int, int, int | None], nn.Module],
        in_channels: int,
        out_channels: int,
        width: int,
        encoder: tuple[int, ...],
        middle: int,
        decoder: tuple[int, ...],
        time: bool,
        unshuffle: int,
    ):
        super().__init__()
        if len(encoder) != len(decoder):
            raise ValueError(f"encoder {encoder} and decoder {decoder} must have as many levels")
        self.unshuffle = unshuffle
        self.multiple = unshuffle * 2 ** len(encoder)
        channels = [width * 2**i for i in range(len(encoder))]
        embedding = 4 * width if time else None
        self.time = TimeEmbedding(width, embedding) if time else None

        def level(c: int, count: int) -> nn.ModuleList:
            return nn.ModuleList(block(c, i, embedding) for i in range(count))

        self.enter = nn.Conv2d(in_channels * unshuffle**2, width, 3, padding=1)
        self.down = nn.ModuleList(map(level, channels, encoder))
        self.shrink = nn.ModuleList(nn.Conv2d(c, 2 * c, 2, stride=2) for c in channels)
        self.middle = level(width * 2 ** len(encoder), middle)
        self.grow = nn.ModuleList(nn.Conv2d(2 * c, 4 * c, 1, bias=False) for c in channels)
        self.up = nn.ModuleList(map(level, channels, decoder))
        self.leave = nn.Conv2d(width, out_channels * unshuffle**2, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, x: Tensor, t: Tensor | None = None) -> Tensor:
        """x (B, in_channels, H, W); t (B,) in [0, 1], only for a network built with time=True."""
        height, width = x.shape[-2:]
        embedding = self.time(t) if self.time is not None else None
        x = F.pixel_unshuffle(pad_to_multiple(x, self.multiple), self.unshuffle)
        x = self.enter(x)
        skips = []
        for level, shrink in zip(self.down, self.shrink, strict=True):
            for block in level:
                x = block(x, embedding)
            skips.append(x)
            x = shrink(x)
        for block in self.middle:
            x = block(x, embedding)
        for i in reversed(range(len(self.up))):
            x = F.pixel_shuffle(self.grow[i](x), 2) + skips[i]
            for block in self.up[i]:
                x = block(x, embedding)
        return F.pixel_shuffle(self.leave(x), self.unshuffle)[..., :height, :width]
