"""A Transformer denoiser: attention in windows, in a U-shape.

Windows of 8×8 tokens, shifted by half in every other block (Swin, Liu et al., ICCV 2021), in a
U-shape with a depth-wise convolution in the feed-forward part (Uformer, Wang et al., CVPR 2022).
The time scales and shifts the normalisations (DiT, Peebles and Xie, ICCV 2023).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.networks.blocks import AdaptiveNorm, UShape

WINDOW = 8


class Transformer(UShape):
    """Maps (B, in_channels, H, W) to (B, out_channels, H, W), for any H, W >= 1; see `UShape`.

    width: below 32, or a multiple of it.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        width: int = 32,
        encoder: tuple[int, ...] = (2, 2),
        middle: int = 2,
        decoder: tuple[int, ...] = (2, 2),
        time: int = 0,
        unshuffle: int = 2,
    ):
        def block(channels: int, index: int, embedding: int | None) -> nn.Module:
            return TransformerBlock(channels, shifted=index % 2 == 1, embedding=embedding)

        super().__init__(
            block, in_channels, out_channels, width, encoder, middle, decoder, time, unshuffle
        )


class TransformerBlock(nn.Module):
    """Window attention, then a feed-forward part, both on normalised input and added."""

    def __init__(self, channels: int, shifted: bool, embedding: int | None = None):
        super().__init__()
        self.norm1 = AdaptiveNorm(channels, embedding)
        self.attention = WindowAttention(channels, shifted)
        self.norm2 = AdaptiveNorm(channels, embedding)
        self.mlp = nn.Sequential(
            nn.Conv2d(channels, 2 * channels, 1),
            nn.Conv2d(2 * channels, 2 * channels, 3, padding=1, groups=2 * channels),
            nn.GELU(),
            nn.Conv2d(2 * channels, channels, 1),
        )

    def forward(self, x: Tensor, embedding: Tensor | None = None) -> Tensor:
        x = x + self.attention(self.norm1(x, embedding))
        return x + self.mlp(self.norm2(x, embedding))


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q kᵀ / √C) v of the tokens of each window; all (..., 64, C), also the result.

    The fused kernel, but for bfloat16 on a processor: there its backward pass takes many times as
    long as matrix products do (findings/fused_attention_of_small_windows_in_bfloat16.sh, measured
    without AMX).
    """
    if q.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        return torch.softmax(q @ k.mT / q.shape[-1] ** 0.5, dim=-1) @ v
    return F.scaled_dot_product_attention(q, k, v)


class WindowAttention(nn.Module):
    """Self-attention within windows of 8×8 positions, with heads of 32 channels.

    A learnt embedding of the position in the window is added to queries and keys. `shifted` moves
    the windows by half their side, up and to the left, if there is more than one. Windows that
    reach beyond the image are filled with queries, keys and values of 0. So neither masks nor a
    cyclic shift are needed. Raises ValueError unless channels < 32 or a multiple of 32.
    """

    def __init__(self, channels: int, shifted: bool = False):
        super().__init__()
        self.head = min(32, channels)
        if channels % self.head:
            raise ValueError(f"channels must be a multiple of {self.head}, not {channels}")
        self.shifted = shifted
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.position = nn.Parameter(
            0.02 * torch.randn(2, channels // self.head, WINDOW**2, self.head)
        )
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        top, left = (WINDOW // 2 if self.shifted and n > WINDOW else 0 for n in (height, width))
        bottom, right = -(top + height) % WINDOW, -(left + width) % WINDOW
        qkv = F.pad(self.qkv(x), (left, right, top, bottom))
        q, k, v = self.to_windows(qkv).unbind(0)
        mixed = attend(q + self.position[0], k + self.position[1], v)
        mixed = self.from_windows(mixed, *qkv.shape[-2:])
        return self.out(mixed[..., top : top + height, left : left + width])

    def to_windows(self, qkv: Tensor) -> Tensor:
        """(B, 3 C, H, W) to (3, B windows, heads, 64, C / heads)."""
        b, c, h, w = qkv.shape
        rows, columns = h // WINDOW, w // WINDOW
        x = qkv.permute(0, 2, 3, 1)  # in channels_last memory, without a copy
        x = x.reshape(b, rows, WINDOW, columns, WINDOW, 3, c // 3 // self.head, self.head)
        x = x.permute(5, 0, 1, 3, 6, 2, 4, 7)
        return x.reshape(3, b * rows * columns, -1, WINDOW**2, self.head)

    def from_windows(self, x: Tensor, height: int, width: int) -> Tensor:
        """(B windows, heads, 64, C / heads) to (B, C, height, width), in channels_last memory."""
        rows, columns = height // WINDOW, width // WINDOW
        x = x.reshape(-1, rows, columns, x.shape[1], WINDOW, WINDOW, self.head)
        x = x.permute(0, 1, 4, 2, 5, 3, 6).reshape(len(x), height, width, -1)
        return x.permute(0, 3, 1, 2)
