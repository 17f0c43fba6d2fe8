"""Restormer: a U-shaped Transformer with attention over channels.

Zamir, Arora, Khan, Hayat, Khan and Yang, Restormer: Efficient Transformer for High-Resolution Image
Restoration, CVPR 2022. The time, if any, scales and shifts the normalisations (DiT, Peebles and
Xie, ICCV 2023).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.networks.blocks import AdaptiveNorm, Denoiser


class Restormer(Denoiser):
    """Maps (B, in_channels, H, W) to (B, out_channels, H, W), for any H, W >= 1; see `Denoiser`.

    As published (figure 2): each level halves the resolution by pixel unshuffle and doubles the
    channels. Skip connections are concatenated, then reduced by a 1×1 convolution; the finest level
    keeps twice the channels. Convolutions have no bias. The network is not local: attention weights
    are statistics of the whole image, or of a tile of it.

    width: channels at the first level; blocks, heads: Transformer blocks and attention heads of
    each level, the finest first; refinement: blocks after the U-shape; expansion: hidden channels
    of the feed-forward part over its input's; time: number of times, the second input; unshuffle:
    side of the pixel blocks that enter as one (1 as published). Raises ValueError if blocks and
    heads differ in their number of levels, for an odd width, and if the channels of a level are not
    a multiple of its heads.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        width: int = 48,
        blocks: tuple[int, ...] = (4, 6, 6, 8),
        heads: tuple[int, ...] = (1, 2, 4, 8),
        refinement: int = 4,
        expansion: float = 2.66,
        time: int = 0,
        unshuffle: int = 1,
    ):
        if len(blocks) != len(heads):
            raise ValueError(f"blocks {blocks} and heads {heads} must have as many levels")
        if width % 2:
            raise ValueError(f"width must be even, not {width}")
        super().__init__(width, len(blocks) - 1, time, unshuffle)
        channels = [width * 2**i for i in range(len(blocks))]

        def level(c: int, count: int, heads: int) -> nn.ModuleList:
            return nn.ModuleList(
                TransposedBlock(c, heads, expansion, self.embedding) for _ in range(count)
            )

        # On the way up, the input of a level is its skip and the features of the coarser level.
        finer = channels[:-1]
        joined = [2 * width, *finer[1:]]
        self.enter = nn.Conv2d(in_channels * unshuffle**2, width, 3, padding=1, bias=False)
        self.down = nn.ModuleList(map(level, channels, blocks, heads))
        self.shrink = nn.ModuleList(
            nn.Sequential(nn.Conv2d(c, c // 2, 3, padding=1, bias=False), nn.PixelUnshuffle(2))
            for c in finer
        )
        self.grow = nn.ModuleList(
            nn.Sequential(nn.Conv2d(2 * c, 4 * c, 3, padding=1, bias=False), nn.PixelShuffle(2))
            for c in finer
        )
        self.reduce = nn.ModuleList(
            nn.Conv2d(2 * c, c, 1, bias=False) if i else nn.Identity() for i, c in enumerate(finer)
        )
        self.up = nn.ModuleList(map(level, joined, blocks[:-1], heads[:-1]))
        self.refine = level(2 * width, refinement, heads[0])
        self.leave = self.output_convolution(2 * width, out_channels, bias=False)

    def features(self, x: Tensor, embedding: Tensor | None) -> Tensor:
        x = self.enter(x)
        skips = []
        for i, level in enumerate(self.down):
            for block in level:
                x = block(x, embedding)
            if i < len(self.shrink):
                skips.append(x)
                x = self.shrink[i](x)
        for i in reversed(range(len(self.up))):
            x = self.reduce[i](torch.cat([self.grow[i](x), skips[i]], dim=1))
            for block in self.up[i]:
                x = block(x, embedding)
        for block in self.refine:
            x = block(x, embedding)
        return self.leave(x)


class TransposedBlock(nn.Module):
    """Transposed attention, then a gated feed-forward part, both on normalised input and added."""

    def __init__(self, channels: int, heads: int, expansion: float, embedding: int | None = None):
        super().__init__()
        self.norm1 = AdaptiveNorm(channels, embedding)
        self.attention = TransposedAttention(channels, heads)
        self.norm2 = AdaptiveNorm(channels, embedding)
        self.feed_forward = GatedFeedForward(channels, int(expansion * channels))

    def forward(self, x: Tensor, embedding: Tensor | None = None) -> Tensor:
        x = x + self.attention(self.norm1(x, embedding))
        return x + self.feed_forward(self.norm2(x, embedding))


class TransposedAttention(nn.Module):
    """Attention over the channels of a head: multi-Dconv head transposed attention (MDTA).

    softmax(α Q Kᵀ) V (section 3.1, equation 1). The rows of Q, K and V are channels; those of Q and
    K have length 1 over all positions; α is a learnt factor for each head. The cost grows linearly
    with the number of pixels.
    Raises ValueError unless channels is a multiple of heads.
    """

    def __init__(self, channels: int, heads: int):
        super().__init__()
        if channels % heads:
            raise ValueError(f"{channels} channels cannot be shared by {heads} heads")
        self.heads = heads
        self.qkv = nn.Conv2d(channels, 3 * channels, 1, bias=False)
        self.depthwise = _depthwise(3 * channels)
        self.scale = nn.Parameter(torch.ones(heads))
        self.project = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        qkv = self.depthwise(self.qkv(x)).reshape(b, 3, self.heads, c // self.heads, h * w)
        q, k, v = qkv.unbind(dim=1)
        cosines = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-1, -2)
        weights = (self.scale[:, None, None] * cosines).softmax(dim=-1)
        return self.project((weights @ v).reshape(b, c, h, w))


class GatedFeedForward(nn.Module):
    """Gated-Dconv feed-forward network (GDFN, section 3.2): GELU of one half times the other."""

    def __init__(self, channels: int, hidden: int):
        super().__init__()
        self.expand = nn.Conv2d(channels, 2 * hidden, 1, bias=False)
        self.depthwise = _depthwise(2 * hidden)
        self.project = nn.Conv2d(hidden, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.depthwise(self.expand(x)).chunk(2, dim=1)
        return self.project(F.gelu(gate) * value)


def _depthwise(channels: int) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
