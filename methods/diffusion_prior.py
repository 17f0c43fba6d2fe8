"""A diffusion prior: trained on clean photographs alone, and guided by a model of the weather.

docs/unsupervised.md has the equations.
"""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from benchmark import Card, LearnedMethod
from methods.diffusion.conditional import TiledPrediction, noise_source, normal_like
from methods.diffusion.guidance import Haze, Layer, Weather, guided
from methods.diffusion.samplers import SAMPLERS
from methods.diffusion.schedule import SCHEDULES, Schedule, on_device
from methods.diffusion.timesteps import SPACINGS, noised_start, surplus_warning
from methods.networks.denoisers import DenoiserSettings
from methods.networks.tile_settings import TileSettings

DATA_DEVIATION = 0.5  # σ_data of images in [-1, 1] (Karras et al., 2022, table 1)
LOG_SIGMA_MEAN, LOG_SIGMA_DEVIATION = -1.2, 1.2  # of ln σ in training (ibid.)


class Parameters(DenoiserSettings):
    """schedule, T: the noise schedule and the number of its times."""

    schedule: Literal["linear", "scaled-linear", "cosine", "sigmoid", "edm"] = "linear"
    T: int = Field(default=1000, ge=1)


class Variant(TileSettings):
    """sampler; steps: times at which the denoiser is evaluated; spacing: of these times; start:
    share of T at which sampling starts, from the image with the noise of that time.

    guidance: the model of the weather, or none (SDEdit); scale: of the guidance, 1 is Bayes' rule;
    through_network: the gradient is with respect to x_t, through the network (DPS), not with
    respect to x̂0 (GDP); misfit: standard deviation of the noise in the model of the weather, for
    images in [0, 1]; updates: gradient steps on the haze's parameters at each evaluation;
    threshold: the least light, in [0, 1], that counts as rain or snow. The rest: tiles of large
    images; there is no `context`, because the model of the weather sees the whole photo already.
    Gradients through the network keep all tiles in memory, so that neither `tile` nor `memory`
    limits it.
    """

    sampler: Literal[
        "ddpm", "ddim", "dpm-solver-2s", "dpm-solver-2m", "dpm-solver-3m", "unipc", "heun", "plms"
    ] = "ddim"
    steps: int = Field(default=5, ge=1)
    spacing: Literal["uniform", "quadratic", "log-snr"] = "uniform"
    start: float = Field(default=0.1, gt=0, le=1)
    guidance: Literal["none", "haze", "layer"] = "none"
    scale: float = Field(default=1.0, ge=0)
    through_network: bool = False
    misfit: float = Field(default=0.005, gt=0)
    updates: int = Field(default=5, ge=0)
    threshold: float = Field(default=0.1, ge=0)
    context: Literal[0] = 0


class DiffusionPrior(LearnedMethod):
    card = Card(
        title="Diffusion prior",
        citation="Meng et al. SDEdit: Guided Image Synthesis and Editing with Stochastic "
        "Differential Equations. ICLR 2022. Fei et al. Generative Diffusion Prior for Unified "
        "Image Restoration and Enhancement. CVPR 2023. Chung et al. Diffusion Posterior Sampling "
        "for General Noisy Inverse Problems. ICLR 2023.",
        url="https://arxiv.org/abs/2304.01247",
        licence="MIT",
        supervision="clean-only",
        description="Trained on clean photographs only. It adds noise to the degraded image and "
        "removes it again, with or without guidance by a model of haze or of a bright layer. The "
        "model's parameters are estimated from the image during sampling.",
    )
    Parameters = Parameters
    Variant = Variant

    def __init__(self, parameters: Parameters | None = None):
        super().__init__(parameters)
        self.schedule = SCHEDULES[self.parameters.schedule](self.parameters.T)

    def build(self) -> nn.Module:
        return self.parameters.build(in_channels=3, time=True)

    def estimate(self, x_t: Tensor, t: Tensor) -> Tensor:
        """x̂0 of x_t (B, 3, H, W) at times (B,): c_skip x_t + c_out F(c_in x_t, t).

        Karras et al. (2022, equation 7), with the network F.
        """
        c_skip, c_out, c_in = preconditioning(*self.schedule.coefficients(t, x_t))
        return c_skip * x_t + c_out * self.network(c_in * x_t, t / self.schedule.T)

    def loss(self, clean: Tensor, degraded: Tensor, generator: torch.Generator) -> Tensor:
        """Squared error of x̂0 over c_out², so that all noise levels have the same weight at first
        (Karras et al., 2022, section 5). The degraded images are not used."""
        x0 = 2 * clean - 1
        t = training_times(len(x0), self.schedule, generator).to(x0.device)
        epsilon = normal_like(x0, generator)
        x_t = self.schedule.diffuse(x0, t, epsilon)
        _, c_out, _ = preconditioning(*self.schedule.coefficients(t, x0))
        return ((self.estimate(x_t, t) - x0) / c_out).square().mean()

    def restore(
        self, degraded: Tensor, variant: Variant, generators: list[torch.Generator]
    ) -> Tensor:
        # The suite's inference mode would forbid the gradients that guidance takes.
        with torch.inference_mode(False), torch.no_grad():
            return self._sample(2 * degraded.clone() - 1, variant, generators).add(1).div(2)

    def _sample(self, y: Tensor, variant: Variant, generators: list[torch.Generator]) -> Tensor:
        """The restored images in [-1, 1]."""
        schedule = self.schedule
        noise = noise_source(y, generators)
        # A prior has no condition; y gives the size of the images only.
        estimate = TiledPrediction(lambda _, x_t, t: self.estimate(x_t, t), y, variant)
        weather = _weather(y, variant)
        start = y
        if weather is not None:
            start = weather.start
            estimate = guided(
                estimate, weather, schedule, posterior_variance, variant.scale,
                variant.through_network,
            )  # fmt: skip

        def denoise(x_t: Tensor, t: int) -> Tensor:
            return estimate(x_t, t).clamp(-1, 1)

        t0 = min(max(variant.steps, round(variant.start * schedule.T)), schedule.T)
        times = SPACINGS[variant.spacing](schedule, variant.steps, t0)
        x = noised_start(start, schedule, t0, noise())
        return SAMPLERS[variant.sampler].function(denoise, x, schedule, times, noise)

    @classmethod
    def variant_warnings(cls, parameters: Parameters, variant: Variant) -> list[str]:
        return surplus_warning(variant.steps, parameters.T)

    def evaluations(self, variant: Variant) -> int:
        """Forward passes. A gradient through the network does not count; it takes the time of about
        two more."""
        return SAMPLERS[variant.sampler].evaluations(variant.steps)


def preconditioning(signal, noise):
    """c_skip, c_out and c_in of x_t, for signal a = √ᾱ_t and noise b = √(1 - ᾱ_t).

        c_skip = a σ_data² / (a² σ_data² + b²)
        c_out  = b σ_data / √(a² σ_data² + b²)
        c_in   = 1 / √(a² σ_data² + b²)

    Those of Karras et al. (2022, table 1) for x_t / a, which has the noise σ = b / a, multiplied
    out so that they are finite for a = 0. For Gaussian data of mean 0 and standard deviation σ_data
    the network's best output is 0: E[x0 given x_t] = c_skip x_t. Numbers, or tensors of one shape.
    """
    root = (signal**2 * DATA_DEVIATION**2 + noise**2) ** 0.5
    return signal * DATA_DEVIATION**2 / root**2, noise * DATA_DEVIATION / root, 1 / root


def posterior_variance(signal: float, noise: float) -> float:
    """Variance of x0 given x_t for Gaussian data: c_out². Arguments as for `preconditioning`."""
    return preconditioning(signal, noise)[1] ** 2


def training_times(count: int, schedule: Schedule, generator: torch.Generator) -> Tensor:
    """Times (count,) with log-normal noise σ (Karras et al., 2022, table 1): low and middle.

    They are on the generator's device.
    """
    device = generator.device
    normal = torch.randn(count, generator=generator, dtype=torch.float64, device=device)
    log_sigma = LOG_SIGMA_MEAN + LOG_SIGMA_DEVIATION * normal
    rising = -0.5 * torch.logit(on_device(schedule.alpha_bar, device)[1:])
    return (torch.searchsorted(rising, log_sigma) + 1).clamp(max=schedule.T)


def _weather(y: Tensor, variant: Variant) -> Weather | None:
    if variant.guidance == "haze":
        return Haze(y, 2 * variant.misfit, variant.updates)
    if variant.guidance == "layer":
        return Layer(y, 2 * variant.misfit, 2 * variant.threshold)
    return None
