"""Parts of several networks: entry and exit, time embedding, normalisation and U-shape."""

import math
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.networks.any_size import pad_to_multiple

Module = TypeVar("Module", bound=nn.Module)


class Denoiser(nn.Module):
    """Entry and exit of a network: (B, in_channels, H, W) to (B, out_channels, H, W).

    The image is padded with its last row and column to a multiple of `unshuffle` 2^halvings, so
    that any H, W >= 1 will do. It enters as blocks of `unshuffle`² pixels (pixel unshuffle, Shi et
    al., CVPR 2016), and leaves by the inverse. A subclass has `features`, which does the rest at
    that lower resolution, and ends with an `output_convolution`.

    width: channels at the first level; halvings: how often a subclass halves the resolution; time:
    the number of times that the network takes as its second input, embedded in 4 width features.
    """

    def __init__(self, width: int, halvings: int, time: int, unshuffle: int):
        super().__init__()
        self.unshuffle = unshuffle
        self.multiple = unshuffle * 2**halvings
        self.embedding = 4 * width if time else None
        self.time = TimeEmbedding(width, self.embedding, time) if time else None

    def forward(self, x: Tensor, t: Tensor | None = None) -> Tensor:
        """x (B, in_channels, H, W); t in [0, 1], (B,) or (B, time), for a network with times."""
        height, width = x.shape[-2:]
        embedding = self.time(t) if self.time is not None else None
        x = F.pixel_unshuffle(pad_to_multiple(x, self.multiple), self.unshuffle)
        x = self.features(x, embedding)
        return F.pixel_shuffle(x, self.unshuffle)[..., :height, :width]

    def features(self, x: Tensor, embedding: Tensor | None) -> Tensor:
        """x (B, in_channels unshuffle², h, w) to (B, out_channels unshuffle², h, w).

        embedding: (B, 4 width), or None for a network without time.
        """
        raise NotImplementedError  # each network has its own

    def output_convolution(self, channels: int, out_channels: int, bias: bool = True) -> nn.Conv2d:
        """The last layer, 3×3. It starts at zero, so that an untrained network returns zeros."""
        return zeroed(
            nn.Conv2d(channels, out_channels * self.unshuffle**2, 3, padding=1, bias=bias)
        )


def zeroed(module: Module) -> Module:
    """The module with all its weights set to zero."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


def sinusoids(t: Tensor, frequencies: Tensor) -> Tensor:
    """Sines, then cosines, of times (B,) or (B, n) at F frequencies: (B, 2 F) or (B, 2 F n).

    Vaswani et al., Attention Is All You Need, NeurIPS 2017, section 3.5; for diffusion times: Ho et
    al., 2020, appendix B.
    """
    angles = (t.float()[..., None] * frequencies).flatten(1)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class TimeEmbedding(nn.Module):
    """Times in [0, 1] to (B, embedding): sinusoids, then a network of two layers.

    The width / 2 frequencies fall geometrically from 1000 to about 0.1. times: how many an image
    has; for one their shape is (B,), for n (B, n).
    """

    def __init__(self, width: int, embedding: int, times: int = 1):
        super().__init__()
        half = width // 2
        frequencies = 1000 * torch.exp(-math.log(10000) * torch.arange(half) / half)
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.mlp = nn.Sequential(
            nn.Linear(2 * half * times, embedding), nn.SiLU(), nn.Linear(embedding, embedding)
        )

    def forward(self, t: Tensor) -> Tensor:
        return self.mlp(sinusoids(t, self.frequencies))


class AdaptiveNorm(nn.Module):
    """Layer normalisation over the channels of each pixel; the time scales and shifts the result.

    adaLN (Peebles and Xie, 2023, section 3.2). embedding: features of the time; with None this is a
    plain layer normalisation. At the start of training the time has no effect.
    """

    def __init__(self, channels: int, embedding: int | None):
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.modulation = zeroed(nn.Linear(embedding, 2 * channels)) if embedding else None

    def forward(self, x: Tensor, embedding: Tensor | None) -> Tensor:
        """x (B, C, H, W), fastest in channels_last, which the result has; embedding (B, E)."""
        x = self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        if self.modulation is None:
            return x
        scale, shift = self.modulation(F.silu(embedding))[:, :, None, None].chunk(2, dim=1)
        return x * (1 + scale) + shift


class UShape(Denoiser):
    """A U-shaped network of one kind of block; sizes and padding as `Denoiser`.

    As NAFNet (Chen et al., 2022, figure 2): each level halves the resolution and doubles the
    channels, and the skip connections add. block(channels, index, embedding) builds the block of
    that index in its level, which maps ((B, channels, h, w), embedding) to the same shape.

    width: channels at the first level; encoder, decoder: number of blocks of each level, the finest
    first; middle: blocks at the coarsest; time: number of times, the second input; unshuffle: side
    of the pixel blocks that enter as one. Raises ValueError if encoder and decoder differ in their
    number of levels.
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
        time: int,
        unshuffle: int,
    ):
        if len(encoder) != len(decoder):
            raise ValueError(f"encoder {encoder} and decoder {decoder} must have as many levels")
        super().__init__(width, len(encoder), time, unshuffle)
        channels = [width * 2**i for i in range(len(encoder))]

        def level(c: int, count: int) -> nn.ModuleList:
            return nn.ModuleList(block(c, i, self.embedding) for i in range(count))

        self.enter = nn.Conv2d(in_channels * unshuffle**2, width, 3, padding=1)
        self.down = nn.ModuleList(map(level, channels, encoder))
        self.shrink = nn.ModuleList(nn.Conv2d(c, 2 * c, 2, stride=2) for c in channels)
        self.middle = level(width * 2 ** len(encoder), middle)
        self.grow = nn.ModuleList(nn.Conv2d(2 * c, 4 * c, 1, bias=False) for c in channels)
        self.up = nn.ModuleList(map(level, channels, decoder))
        self.leave = self.output_convolution(width, out_channels)

    def features(self, x: Tensor, embedding: Tensor | None) -> Tensor:
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
        return self.leave(x)
