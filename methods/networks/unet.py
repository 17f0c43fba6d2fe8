"""The U-Net with self-attention: one backbone for regression and for diffusion.

Convolutional U-Net (Ronneberger et al., 2015) with self-attention at the coarsest level and time
embedding as in Ho et al. (2020, appendix B). Residual blocks are 3×3 convolutions and ReLU without
normalisation, as in EDSR (Lim et al., 2017, section 3.1), so that nearly all time goes into
convolutions. Only the last features are normalised, because those of a network that starts at zero
are small.
"""

import itertools
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.networks.blocks import Denoiser, zeroed

Conditioning = Literal["concatenation", "modulation"]


class UNet(Denoiser):
    """Maps (B, in_channels, H, W) to (B, out_channels, H, W), for any H, W >= 1; see `Denoiser`.

    width: channels at the first level; multipliers: channels of each level in units of width;
    blocks: residual blocks of each level, on the way down and on the way up; attention:
    self-attention at the coarsest level; time: number of times at the second input (diffusion: 1).

    conditioning: how the network uses the first three input channels, the condition.
    `concatenation`: they enter with all others. `modulation`: only the others enter the U-Net, and
    features of the condition scale and shift the features of every residual block (spatial feature
    transform, Wang et al., CVPR 2018). Raises ValueError for another conditioning, for modulation
    without other channels, without multipliers, and for attention over channels that its heads
    cannot share.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        width: int = 48,
        multipliers: tuple[int, ...] = (1, 2, 3, 4),
        blocks: int = 2,
        attention: bool = True,
        time: int = 0,
        unshuffle: int = 2,
        conditioning: Conditioning = "concatenation",
    ):
        if conditioning not in get_args(Conditioning):
            raise ValueError(f"conditioning is one of {get_args(Conditioning)}: '{conditioning}'")
        modulated = conditioning == "modulation"
        if modulated and in_channels <= 3:
            raise ValueError(f"modulation needs channels beside the condition's 3: {in_channels}")
        if not multipliers:
            raise ValueError("multipliers: name at least one level")
        super().__init__(width, len(multipliers) - 1, time, unshuffle)
        channels = [width * m for m in multipliers]
        embedding = self.embedding

        def level(inputs: int, outputs: int) -> nn.ModuleList:
            features = outputs if modulated else None
            first = [ResidualBlock(inputs, outputs, embedding, features)]
            rest = [ResidualBlock(outputs, outputs, embedding, features) for _ in range(blocks - 1)]
            return nn.ModuleList(first + rest)

        self.condition = 3 * unshuffle**2 if modulated else 0
        self.encoder = ConditionEncoder(self.condition, channels) if modulated else None
        self.enter = nn.Conv2d(in_channels * unshuffle**2 - self.condition, width, 3, padding=1)
        self.down = nn.ModuleList(
            level(c_in, c) for c_in, c in zip([width, *channels], channels, strict=False)
        )
        self.shrink = nn.ModuleList(nn.Conv2d(c, c, 3, stride=2, padding=1) for c in channels[:-1])
        self.attention = SelfAttention(channels[-1]) if attention else nn.Identity()
        features = channels[-1] if modulated else None
        self.middle = ResidualBlock(channels[-1], channels[-1], embedding, features)
        self.grow = nn.ModuleList(nn.Conv2d(deep, c, 1) for c, deep in itertools.pairwise(channels))
        self.up = nn.ModuleList(level(2 * c, c) for c in channels[:-1])
        self.norm = group_norm(channels[0])
        self.leave = self.output_convolution(channels[0], out_channels)

    def features(self, x: Tensor, embedding: Tensor | None) -> Tensor:
        features = [None] * len(self.down)
        if self.encoder is not None:
            features = self.encoder(x[:, : self.condition])
            x = x[:, self.condition :]
        x = self.enter(x)
        skips = []
        for i, level in enumerate(self.down):
            for block in level:
                x = block(x, embedding, features[i])
            if i < len(self.shrink):
                skips.append(x)
                x = self.shrink[i](x)
        x = self.middle(self.attention(x), embedding, features[-1])
        for i in reversed(range(len(self.up))):
            x = F.interpolate(self.grow[i](x), scale_factor=2.0, mode="nearest")
            x = torch.cat([x, skips[i]], dim=1)
            for block in self.up[i]:
                x = block(x, embedding, features[i])
        return self.leave(F.relu(self.norm(x)))


def group_norm(channels: int) -> nn.GroupNorm:
    """Eight groups, fewer if a group had less than four channels.

    A group of one channel has no variance on 1×1 pixels.
    """
    return nn.GroupNorm(min(8, channels // 4), channels)


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions, each after a ReLU; the time shifts the features between them.

    The second convolution starts at zero, so that an untrained block passes its input on.
    features: channels of the condition's features that modulate both convolutions' inputs, if any.
    """

    def __init__(
        self, inputs: int, outputs: int, embedding: int | None, features: int | None = None
    ):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.conv2 = zeroed(nn.Conv2d(outputs, outputs, 3, padding=1))
        self.shift = nn.Linear(embedding, outputs) if embedding else None
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        self.modulate1 = Modulation(features, inputs) if features else None
        self.modulate2 = Modulation(features, outputs) if features else None

    def forward(
        self, x: Tensor, embedding: Tensor | None, features: Tensor | None = None
    ) -> Tensor:
        h = x if self.modulate1 is None else self.modulate1(x, features)
        h = self.conv1(F.relu(h))
        if self.shift is not None:
            h = h + self.shift(F.silu(embedding))[:, :, None, None]
        if self.modulate2 is not None:
            h = self.modulate2(h, features)
        return self.skip(x) + self.conv2(h.relu_())  # in place: h is not needed again


class Modulation(nn.Module):
    """Scales and shifts x (B, C, H, W) at each position by functions of features (B, F, H, W)."""

    def __init__(self, features: int, channels: int):
        super().__init__()
        self.scale_shift = nn.Conv2d(features, 2 * channels, 1)

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        scale, shift = self.scale_shift(features).chunk(2, dim=1)
        return x * (1 + scale) + shift


class ConditionEncoder(nn.Module):
    """Features of the condition for each level: a 3×3 convolution and SiLU from one to the next."""

    def __init__(self, inputs: int, channels: list[int]):
        super().__init__()
        self.levels = nn.ModuleList(
            nn.Conv2d(before, c, 3, stride=2 if i else 1, padding=1)
            for i, (before, c) in enumerate(zip([inputs, *channels], channels, strict=False))
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, inputs, H, W) to (B, channels[i], H / 2^i, W / 2^i) for each level i."""
        features = []
        for level in self.levels:
            x = F.silu(level(x))
            features.append(x)
        return features


class SelfAttention(nn.Module):
    """Self-attention over all positions of a level (Vaswani et al., 2017), added to its input.

    Raises ValueError unless channels are a multiple of the heads.
    """

    def __init__(self, channels: int, heads: int = 4):
        if channels % heads:
            raise ValueError(f"attention: {channels} channels are not a multiple of {heads} heads")
        super().__init__()
        self.heads = heads
        self.norm = group_norm(channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        qkv = self.qkv(self.norm(x)).reshape(b, 3, self.heads, c // self.heads, h * w)
        # If not contiguous, torch uses a kernel that stores the weights of all pairs of positions.
        q, k, v = qkv.transpose(-1, -2).contiguous().unbind(dim=1)
        mixed = F.scaled_dot_product_attention(q, k, v)
        return x + self.out(mixed.transpose(-1, -2).reshape(b, c, h, w))
