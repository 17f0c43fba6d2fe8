"""The U-Net of DDPM, as the published WeatherDiff models use it.

Ho et al. (2020, appendix B): residual blocks at several resolutions, self-attention at some of
them, time embedding in every block. Parameters have the names of the WeatherDiff checkpoints, so
that their tensors load unchanged. It takes patches of one size, and so has no part of `Denoiser`.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.networks.blocks import sinusoids


class DDPMUNet(nn.Module):
    """Maps (B, in_channels, S, S) and times (B,) to (B, 3, S, S).

    width: channels at full resolution; multipliers: channels of each level in units of width;
    blocks: residual blocks of each level on the way down (one more on the way up); attention: sides
    S at which levels have self-attention, for an image of side `image_size`. S must be a multiple
    of 2^(levels - 1).
    """

    def __init__(
        self,
        width: int = 128,
        multipliers: tuple[int, ...] = (1, 2, 3, 4),
        blocks: int = 2,
        attention: tuple[int, ...] = (16,),
        image_size: int = 64,
        in_channels: int = 6,
    ):
        super().__init__()
        self.width = width
        levels = len(multipliers)
        embedding = 4 * width
        channels = [width * m for m in multipliers]
        attends = [image_size // 2**i in attention for i in range(levels)]
        self.temb = nn.Module()
        self.temb.dense = nn.ModuleList(
            [nn.Linear(width, embedding), nn.Linear(embedding, embedding)]
        )
        self.conv_in = nn.Conv2d(in_channels, width, 3, padding=1)

        self.down = nn.ModuleList()
        current, skips = width, [width]
        for i, c in enumerate(channels):
            inputs = [current] + [c] * (blocks - 1)
            level = _level(inputs, c, embedding, attends[i])
            skips += [c] * blocks
            current = c
            if i < levels - 1:
                level.downsample = _Downsample(c)
                skips.append(c)
            self.down.append(level)

        self.mid = nn.Module()
        self.mid.block_1 = _ResidualBlock(current, current, embedding)
        self.mid.attn_1 = _Attention(current)
        self.mid.block_2 = _ResidualBlock(current, current, embedding)

        up = []
        for i, c in reversed(list(enumerate(channels))):
            inputs = [before + skips.pop() for before in [current] + [c] * blocks]
            level = _level(inputs, c, embedding, attends[i])
            current = c
            if i > 0:
                level.upsample = _Upsample(c)
            up.append(level)
        self.up = nn.ModuleList(reversed(up))

        self.norm_out = _norm(current)
        self.conv_out = nn.Conv2d(current, 3, 3, padding=1)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """x: condition, then noisy image, along the channels; t: (B,), 0 to T - 1."""
        first, second = self.temb.dense
        temb = second(F.silu(first(sinusoids(t, _frequencies(self.width, t.device)))))
        h = self.conv_in(x)
        skips = [h]
        for level in self.down:
            for i, block in enumerate(level.block):
                h = block(h, temb)
                h = level.attn[i](h) if len(level.attn) else h
                skips.append(h)
            if hasattr(level, "downsample"):
                h = level.downsample(h)
                skips.append(h)
        h = self.mid.block_2(self.mid.attn_1(self.mid.block_1(h, temb)), temb)
        for level in reversed(self.up):
            for i, block in enumerate(level.block):
                h = block(torch.cat([h, skips.pop()], dim=1), temb)
                h = level.attn[i](h) if len(level.attn) else h
            if hasattr(level, "upsample"):
                h = level.upsample(h)
        return self.conv_out(F.silu(self.norm_out(h)))


def _frequencies(width: int, device: torch.device) -> Tensor:
    """width / 2 frequencies that fall geometrically from 1 to 1/10000, as the weights expect."""
    half = width // 2
    exponents = torch.arange(half, dtype=torch.float32, device=device) / (half - 1)
    return torch.exp(-math.log(10000) * exponents)


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(32, channels, eps=1e-6)


def _level(inputs: list[int], outputs: int, embedding: int, attends: bool) -> nn.Module:
    level = nn.Module()
    level.block = nn.ModuleList(_ResidualBlock(i, outputs, embedding) for i in inputs)
    level.attn = nn.ModuleList(_Attention(outputs) for _ in inputs if attends)
    return level


class _ResidualBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, embedding: int):
        super().__init__()
        self.norm1 = _norm(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.temb_proj = nn.Linear(embedding, outputs)
        self.norm2 = _norm(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        if inputs != outputs:
            self.nin_shortcut = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor, temb: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        h = h + self.temb_proj(F.silu(temb))[:, :, None, None]
        h = self.conv2(F.silu(self.norm2(h)))
        return h + (self.nin_shortcut(x) if hasattr(self, "nin_shortcut") else x)


class _Attention(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.norm = _norm(channels)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(channels, channels, 1) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(x)
        q, k, v = (f(h).flatten(2).transpose(1, 2) for f in (self.q, self.k, self.v))
        mixed = F.scaled_dot_product_attention(q, k, v)
        return x + self.proj_out(mixed.transpose(1, 2).reshape(x.shape))


class _Downsample(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        # Padded right and below only, as the published weights were trained.
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class _Upsample(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
