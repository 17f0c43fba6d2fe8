"""GCANet: dehazing by a network of smoothed dilated convolutions that fuses three levels."""

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark import Card, LearnedMethod, Settings
from methods.networks.any_size import pad_to_multiple
from methods.networks.tile_settings import TileSettings

DILATIONS = (2, 2, 2, 4, 4, 4, 1)  # of the residual blocks
FUSED = (3, 6)  # the blocks whose results are the middle and the high level
LEVELS, MEAN = 255.0, 128.0  # the network takes 8-bit levels, less their mean
MULTIPLE = 4  # sides that are multiples; half of them has more than one pixel to normalise


class Parameters(Settings):
    """width: channels of the features; 64 as published."""

    width: int = Field(default=64, ge=1)


class GCANet(LearnedMethod):
    card = Card(
        title="GCANet",
        citation="Chen, He, Fan, Liao, Zhang, Hou, Yuan and Hua. Gated Context Aggregation Network "
        "for Image Dehazing and Deraining. WACV 2019.",
        url="https://doi.org/10.1109/WACV.2019.00151",
        licence="own implementation",
        supervision="paired",
        description="Predicts the difference of the clear from the hazy image. Dilated "
        "convolutions are smoothed before, against grid patterns, and a gate weighs features of "
        "three depths. Trained on the squared error, as published. Made for haze; here trained and "
        "scored on all weathers. The authors' file can be used as its weights.",
    )
    Parameters = Parameters
    Variant = TileSettings

    def build(self) -> nn.Module:
        return GatedNetwork(self.parameters.width)

    def authors_names(self) -> dict[str, tuple[str, ...]]:
        names = {"gate": ("gate",), "leave": ("deconv1",)}
        for k in range(3):
            names[f"encoder.{k}.conv"] = (f"conv{k + 1}",)
            names[f"encoder.{k}.norm"] = (f"norm{k + 1}",)
        for k in range(2):
            names[f"decoder.{k}.conv"] = (f"deconv{3 - k}",)
            names[f"decoder.{k}.norm"] = (f"norm{4 + k}",)
        for k in range(len(DILATIONS)):
            for n in (1, 2):
                names[f"blocks.{k}.{n - 1}.conv.0"] = (f"res{k + 1}.pre_conv{n}",)
                names[f"blocks.{k}.{n - 1}.conv.1"] = (f"res{k + 1}.conv{n}",)
                names[f"blocks.{k}.{n - 1}.norm"] = (f"res{k + 1}.norm{n}",)
        return names

    def from_authors(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Their network predicts levels of 8 bits, ours differences of images in [0, 1]: with our
        learning rates, steps in levels would be too small."""
        return {n: x / LEVELS if n.startswith("leave.") else x for n, x in state.items()}

    def loss(self, clean: Tensor, degraded: Tensor, generator: torch.Generator) -> Tensor:
        """The mean squared error, as published (equation 5)."""
        return F.mse_loss(self.network(degraded), clean)

    def restore(
        self, degraded: Tensor, variant: TileSettings, generators: list[torch.Generator]
    ) -> Tensor:
        return variant.restore(self.network, degraded)


class GatedNetwork(nn.Module):
    """Maps degraded (B, 3, H, W) in [0, 1] to restored, for any H, W >= 1 (figure 2 of the paper).

    Input: the image and its `edges`. The encoder halves the size; seven residual blocks follow. The
    gate gives each pixel three weights, for the features before the blocks (low level) and those
    after blocks 4 and 7. The decoder doubles the size and predicts what is added to the image.

    Instance normalisation takes statistics of the whole input: an image that is restored in tiles
    differs a little from one that is restored whole.
    """

    def __init__(self, width: int = 64):
        super().__init__()
        self.encoder = nn.ModuleList([
            Normalised(nn.Conv2d(4, width, 3, padding=1, bias=False)),
            Normalised(nn.Conv2d(width, width, 3, padding=1, bias=False)),
            Normalised(nn.Conv2d(width, width, 3, stride=2, padding=1, bias=False)),
        ])  # fmt: skip
        self.blocks = nn.ModuleList(
            nn.Sequential(smoothed_dilated(width, dilation), smoothed_dilated(width, dilation))
            for dilation in DILATIONS
        )
        self.gate = nn.Conv2d(3 * width, 3, 3, padding=1)
        self.decoder = nn.ModuleList([
            Normalised(nn.ConvTranspose2d(width, width, 4, stride=2, padding=1)),
            Normalised(nn.Conv2d(width, width, 3, padding=1)),
        ])  # fmt: skip
        self.leave = nn.Conv2d(width, 3, 1)

    def forward(self, degraded: Tensor) -> Tensor:
        height, width = degraded.shape[-2:]
        image = pad_to_multiple(degraded, MULTIPLE)
        x = LEVELS * torch.cat([image, edges(image)], dim=1) - MEAN
        for layer in self.encoder:
            x = F.relu(layer(x))
        levels = [x]
        for k, (first, second) in enumerate(self.blocks):
            x = F.relu(x + second(F.relu(first(x))))
            if k in FUSED:
                levels.append(x)
        gates = self.gate(torch.cat(levels, dim=1)).chunk(3, dim=1)
        x = sum(gate * level for gate, level in zip(gates, levels, strict=True))
        for layer in self.decoder:
            x = F.relu(layer(x))
        return (image + self.leave(x))[..., :height, :width]


def edges(image: Tensor) -> Tensor:
    """(B, 1, H, W): a quarter of the absolute differences to the four neighbours, summed, averaged
    over the channels. As in the authors' code; the paper says no more than that edges are given."""
    down = image.diff(dim=2).abs()
    right = image.diff(dim=3).abs()
    total = F.pad(down, (0, 0, 1, 0)) + F.pad(down, (0, 0, 0, 1))
    total = total + F.pad(right, (1, 0)) + F.pad(right, (0, 1))
    return total.mean(dim=1, keepdim=True) / 4


class Normalised(nn.Module):
    """A convolution with instance normalisation (Ulyanov et al., 2016).

    conv: a convolution, or a sequence that ends with one.
    """

    def __init__(self, conv: nn.Module):
        super().__init__()
        self.conv = conv
        last = conv[-1] if isinstance(conv, nn.Sequential) else conv
        self.norm = nn.InstanceNorm2d(last.out_channels, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


def smoothed_dilated(width: int, dilation: int) -> Normalised:
    """A dilated 3×3 convolution after a `SharedKernel`, which lets neighbouring pixels of its grid
    depend on each other (Wang and Ji, Smoothed Dilated Convolutions, KDD 2018)."""
    smooth = SharedKernel(2 * dilation - 1) if dilation > 1 else nn.Identity()
    conv = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation, bias=False)
    return Normalised(nn.Sequential(smooth, conv))


class SharedKernel(nn.Module):
    """One kernel of side × side for every channel; it starts as the identity."""

    def __init__(self, side: int):
        super().__init__()
        self.weight = nn.Parameter(F.pad(torch.ones(1, 1, 1, 1), [side // 2] * 4))

    def forward(self, x: Tensor) -> Tensor:
        channels, side = x.shape[1], self.weight.shape[-1]
        kernels = self.weight.expand(channels, 1, side, side)
        return F.conv2d(x, kernels, padding=side // 2, groups=channels)
