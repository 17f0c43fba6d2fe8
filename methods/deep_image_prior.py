"""Deep image prior: an untrained network fitted to one image, stopped before it fits the weather.

Ulyanov, Vedaldi, Lempitsky (CVPR 2018): a convolutional network f_θ maps fixed noise z to the image
by minimising |f_θ(z) - y|² over θ from a random start. It fits natural structure sooner than noise,
so that stopping early gives a cleaner image than y.
"""

import itertools

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark import Card, Method, Settings, UserError
from methods.networks.any_size import pad_to_multiple

CHANNELS = (8, 16, 32, 64, 64)  # at each level, the finest first
SKIP = 8  # channels that go round the coarser levels
NOISE_CHANNELS = 8
NOISE = 0.1  # z is uniform between 0 and this, as in the paper
LEARNING_RATE = 0.01  # of Adam, as in the paper
FORGET = 0.1  # weight of an output in the moving average of all


class Variant(Settings):
    """iterations: of the fit, each a network evaluation with its gradient; more fit the weather.

    max_pixels: larger images are refused, because the fit takes the whole image at once: about a
    kilobyte of memory a pixel and, on two CPU cores, a microsecond a pixel and iteration.
    """

    iterations: int = Field(default=200, ge=1)
    max_pixels: int = Field(default=2**20, ge=1)


class DeepImagePrior(Method):
    card = Card(
        title="Deep image prior",
        citation="Ulyanov, Vedaldi and Lempitsky. Deep Image Prior. CVPR 2018.",
        url="https://arxiv.org/abs/1711.10925",
        licence="own implementation",
        supervision="none",
        description="An untrained network is fitted to the degraded image alone and stopped after "
        "a set number of iterations. What it fits late is lost: fine streaks and flakes, but fine "
        "detail with them. Below the input in PSNR and SSIM, but for the PSNR of heavy rain.",
        weathers=("rain", "snow"),  # haze and drops are smooth, so fitted first
    )
    Variant = Variant

    def restore(
        self, degraded: Tensor, variant: Variant, generators: list[torch.Generator]
    ) -> Tensor:
        """Raises UserError for images of more than `max_pixels`."""
        pixels = degraded.shape[-2] * degraded.shape[-1]
        if pixels > variant.max_pixels:
            raise UserError(
                f"The image has {pixels} pixels, but max_pixels is {variant.max_pixels}. Raise it "
                "in the variant if time and memory allow, or make the image smaller."
            )
        # The suite's inference mode would forbid the gradients that fitting takes.
        with torch.inference_mode(False), torch.enable_grad():
            images = degraded.clone().split(1)  # one by one: a network belongs to its image
            fitted = [
                fit(image, variant.iterations, generator)
                for image, generator in zip(images, generators, strict=True)
            ]
        return torch.cat(fitted)

    def evaluations(self, variant: Variant) -> int:
        """A gradient through the network is no evaluation, but takes about two more's time."""
        return variant.iterations


def fit(image: Tensor, iterations: int, generator: torch.Generator) -> Tensor:
    """The moving average of f_θ(z) over a fit to an image (1, 3, H, W) in [0, 1]; same shape.

    The average evens out single bad steps of the optimiser.
    """
    height, width = image.shape[-2:]
    network = untrained(generator).to(image.device)
    # To two positions a side at the coarsest level: one alone has no variance to normalise by.
    like = pad_to_multiple(image, 2 ** len(CHANNELS))
    z = torch.rand(1, NOISE_CHANNELS, *like.shape[-2:], generator=generator).to(image) * NOISE
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE)
    average = None
    for _ in range(iterations):
        output = network(z)[..., :height, :width]
        optimizer.zero_grad()
        F.mse_loss(output, image).backward()
        optimizer.step()
        output = output.detach()
        average = output if average is None else average.lerp(output, FORGET)
    return average


def untrained(generator: torch.Generator) -> "Hourglass":
    """A network whose random start comes from the generator; torch's own state stays as it was."""
    seed = int(torch.randint(2**62, (), generator=generator))
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed, which would seed the GPUs as well.
        torch.default_generator.manual_seed(seed)
        return Hourglass()


class Hourglass(nn.Module):
    """Maps noise (1, NOISE_CHANNELS, H, W) to an image (1, 3, H, W) in [0, 1].

    Encoder and decoder with skip connections, as in the paper (supplementary material), but
    smaller. H and W are multiples of 2^(levels - 1), and larger. Batch normalisation takes the
    image's own statistics: the network stays in training mode.
    """

    def __init__(self):
        super().__init__()
        inputs = (NOISE_CHANNELS, *CHANNELS[1:-1])
        self.skip = nn.ModuleList(nn.Conv2d(c, SKIP, 1) for c in inputs)
        self.down = nn.ModuleList(
            nn.Sequential(*convolution(c, deeper, stride=2), *convolution(deeper, deeper))
            for c, deeper in zip(inputs, CHANNELS[1:], strict=True)
        )
        self.up = nn.ModuleList(
            nn.Sequential(*convolution(deeper + SKIP, c))
            for c, deeper in itertools.pairwise(CHANNELS)
        )
        self.out = nn.Conv2d(CHANNELS[0], 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        skipped = []
        for skip, down in zip(self.skip, self.down, strict=True):
            skipped.append(skip(x))
            x = down(x)
        for up, skip in zip(reversed(self.up), reversed(skipped), strict=True):
            x = up(torch.cat([F.interpolate(x, scale_factor=2.0, mode="nearest"), skip], dim=1))
        return self.out(x).sigmoid()


def convolution(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    """A 3×3 convolution, normalised and rectified."""
    return [
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(0.2, inplace=True),
    ]
