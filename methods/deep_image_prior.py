"""Deep image prior: an untrained network fitted to one image, stopped before it fits the weather.

Ulyanov, Vedaldi, Lempitsky (CVPR 2018, equation 2): a convolutional network f_θ maps fixed noise z
to the degraded image y by minimising ‖f_θ(z) - y‖² over θ from random weights. It fits natural
structure before noise. So an early stop gives a cleaner image than y.
"""

import itertools

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark import Card, Method, Settings, UserError
from methods.networks.any_size import pad_to_multiple

CHANNELS = (8, 16, 32, 64, 64)  # of each level, the finest first
SKIP = 8  # channels of each skip connection
NOISE_CHANNELS = 8
NOISE = 0.1  # z is uniform in [0, NOISE], as in the paper
LEARNING_RATE = 0.01  # of Adam, as in the paper
NEW_OUTPUT_WEIGHT = 0.1  # in the moving average of outputs


class Variant(Settings):
    """iterations: of the fit, each a network evaluation with gradient; too many fit the weather.

    max_pixels: larger images are refused, because the fit takes the whole image at once: about one
    kilobyte of memory for each pixel and, on two CPU cores, one microsecond for each pixel and
    iteration.
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
        "a fixed number of iterations. It fits fine structure last: fine streaks and flakes are "
        "removed, and fine detail too. PSNR and SSIM are below those of the input, except the PSNR "
        "of heavy rain.",
        weathers=("rain", "snow"),  # haze and drops are smooth, and so are fitted first
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
        # The suite's inference mode has no gradients, which the fit needs.
        with torch.inference_mode(False), torch.enable_grad():
            images = degraded.clone().split(1)  # each image has its own network
            fitted = [
                fit(image, variant.iterations, generator)
                for image, generator in zip(images, generators, strict=True)
            ]
        return torch.cat(fitted)

    def evaluations(self, variant: Variant) -> int:
        """Forward passes. A gradient through the network does not count; it takes the time of about
        two more."""
        return variant.iterations


def fit(image: Tensor, iterations: int, generator: torch.Generator) -> Tensor:
    """The moving average of f_θ(z) over a fit to an image (1, 3, H, W) in [0, 1]; same shape.

    The average reduces the effect of single bad steps of the optimiser.
    """
    height, width = image.shape[-2:]
    network = untrained(generator).to(image.device)
    # At least 2×2 positions at the coarsest level: a single one has no variance to normalise by.
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
        average = output if average is None else average.lerp(output, NEW_OUTPUT_WEIGHT)
    return average


def untrained(generator: torch.Generator) -> "Hourglass":
    """A network with random weights from the generator; torch's global generator is unchanged."""
    seed = int(torch.randint(2**62, (), generator=generator))
    with torch.random.fork_rng(devices=[]):
        # torch.manual_seed would seed the GPUs too.
        torch.default_generator.manual_seed(seed)
        return Hourglass()


class Hourglass(nn.Module):
    """Maps noise (1, NOISE_CHANNELS, H, W) to an image (1, 3, H, W) in [0, 1].

    Encoder and decoder with skip connections, as in the paper (supplementary material), but
    smaller. H and W must be multiples of 2^(levels - 1), at least twice that. Batch normalisation
    uses the statistics of the image itself: the network stays in training mode.
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
    """A 3×3 convolution, batch normalisation and leaky ReLU."""
    return [
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(0.2, inplace=True),
    ]
