"""The image-conditional diffusion model: DDPM/DDIM with the degraded image as condition."""

from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from benchmark import Card, LearnedMethod
from methods.diffusion.conditional import TiledPrediction, per_image_noise, random_times
from methods.diffusion.samplers import SAMPLERS
from methods.diffusion.schedule import SCHEDULES, zero_terminal_snr
from methods.diffusion.targets import Target, from_x0, to_x0
from methods.diffusion.timesteps import SPACINGS, noised_start
from methods.diffusion.weighting import WEIGHTINGS
from methods.networks.denoisers import DenoiserSettings
from methods.networks.losses import LOSSES, Loss
from methods.networks.tile_settings import TileSettings
from methods.networks.unet import Conditioning


class Parameters(DenoiserSettings):
    """target: what the network predicts; schedule, T: the noise schedule and the number of its
    times; zero_terminal_snr: rescale it to end in noise alone; start_share: share of the training
    at t = T, where sampling starts (the rest is at uniformly random times; 0 is equation 12);
    loss: of x0, see `methods.networks.losses`; weighting: of the squared error of ε and v, and of
    x0 if not `plain`; conditioning: see
    `methods.networks.unet.UNet`."""

    target: Target = "x0"
    schedule: Literal["linear", "scaled-linear", "cosine", "sigmoid", "edm"] = "linear"
    T: int = Field(default=1000, ge=1)
    zero_terminal_snr: bool = False
    start_share: float = Field(default=0.8, ge=0, le=1)
    loss: Loss = "rmse+ssim"
    weighting: Literal["plain", "min-snr"] = "plain"
    conditioning: Conditioning = "concatenation"

    @model_validator(mode="after")
    def _possible(self) -> "Parameters":
        if self.zero_terminal_snr and self.target == "epsilon":
            raise ValueError(
                "zero_terminal_snr: noise alone says nothing of x0: target must be x0 or v"
            )
        if self.zero_terminal_snr and self.T < 2:
            raise ValueError("zero_terminal_snr: T must be at least 2")
        if self.conditioning == "modulation" and self.denoiser != "unet":
            raise ValueError("conditioning: 'modulation' is made for the denoiser 'unet' alone")
        return self


class Variant(TileSettings):
    """sampler; steps: times at which the denoiser is evaluated; spacing: how they are chosen;
    start: the share of T at which sampling starts, from the degraded image with that time's noise
    (1: from noise alone); eta: DDIM's share of fresh noise; the rest says how large images are cut,
    see `methods.networks.tile_settings.TileSettings`."""

    sampler: Literal[
        "ddpm", "ddim", "dpm-solver-2s", "dpm-solver-2m", "dpm-solver-3m", "unipc", "heun", "plms"
    ] = "ddim"
    steps: int = Field(default=1, ge=1)
    spacing: Literal["uniform", "quadratic", "log-snr"] = "uniform"
    start: float = Field(default=1.0, gt=0, le=1)
    eta: float = Field(default=0.0, ge=0, le=1)


class ConditionalDiffusion(LearnedMethod):
    card = Card(
        title="Conditional diffusion",
        citation="Özdenizci and Legenstein. Restoring Vision in Adverse Weather Conditions with "
        "Patch-Based Denoising Diffusion Models. TPAMI 2023. Ho, Jain and Abbeel. Denoising "
        "Diffusion Probabilistic Models. NeurIPS 2020. Song, Meng and Ermon. Denoising Diffusion "
        "Implicit Models. ICLR 2021.",
        url="https://doi.org/10.1109/TPAMI.2023.3238179",
        licence="MIT",
        supervision="paired",
        description="Draws the clean image from noise, step by step, with the degraded image "
        "beside the noisy one at the network's input. Trained once, sampled at any number of "
        "steps.",
    )
    Parameters = Parameters
    Variant = Variant

    def __init__(self, parameters: Parameters | None = None):
        super().__init__(parameters)
        schedule = SCHEDULES[self.parameters.schedule](self.parameters.T)
        end_in_noise = self.parameters.zero_terminal_snr
        self.schedule = zero_terminal_snr(schedule) if end_in_noise else schedule

    def build(self) -> nn.Module:
        return self.parameters.build(
            in_channels=6, time=True, conditioning=self.parameters.conditioning
        )

    def predict(self, condition: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """The network's prediction of its target: (B, 3, H, W) condition and x_t in the [-1, 1]
        scale, (B,) times. The condition comes first among the network's input channels.

        For x0 the network gives the correction of the degraded image, as in the regression: where
        there is no weather the answer is then zero. And x_t enters as √ᾱ_t x_t, the best linear
        guess of x0 from it: it vanishes where x_t is noise alone, which the network would else have
        to learn to ignore.
        """
        if self.parameters.target != "x0":
            return self.network(torch.cat([condition, x_t], dim=1), t / self.schedule.T)
        signal, _ = self.schedule.coefficients(t, x_t)
        inputs = torch.cat([condition, signal * x_t], dim=1)
        return condition + self.network(inputs, t / self.schedule.T)

    def loss(self, clean: Tensor, degraded: Tensor, generator: torch.Generator) -> Tensor:
        """Equation (12) with the condition: the weighted error of the target at random times.

        Squared for ε and v, as published; for x0 the regression's loss, unless it is weighted.
        """
        p, x0, condition = self.parameters, 2 * clean - 1, 2 * degraded - 1
        t = random_times(len(x0), p.T, p.start_share, generator)
        epsilon = torch.randn(x0.shape, generator=generator).to(x0)
        signal, noise = self.schedule.coefficients(t, x0)
        prediction = self.predict(condition, signal * x0 + noise * epsilon, t.to(x0.device))
        target = from_x0(p.target, x0, epsilon, signal, noise)
        if p.target == "x0" and p.weighting == "plain":
            return LOSSES[p.loss](prediction, target)
        weight = WEIGHTINGS[p.weighting](p.target, self.schedule.snr(t, x0))
        return (weight * (prediction - target).square()).mean()

    def restore(
        self, degraded: Tensor, variant: Variant, generators: list[torch.Generator]
    ) -> Tensor:
        condition, T = 2 * degraded - 1, self.schedule.T
        predict = TiledPrediction(self.predict, condition, variant)

        def noise() -> Tensor:
            return per_image_noise(degraded.shape[1:], generators).to(degraded)

        def denoise(x_t: Tensor, t: int) -> Tensor:
            """x̂0, kept to the range of an image, without which ε at t near T leads far astray."""
            signal, sigma = self.schedule.signal(t), self.schedule.noise(t)
            x0 = to_x0(self.parameters.target, predict(x_t, t), x_t, signal, sigma)
            return x0.clamp(-1, 1)

        t0 = max(variant.steps, round(variant.start * T))
        times = SPACINGS[variant.spacing](self.schedule, variant.steps, t0)
        x = noise() if t0 == T else noised_start(condition, self.schedule, t0, noise())
        options = {"eta": variant.eta} if variant.sampler == "ddim" else {}
        sampler = SAMPLERS[variant.sampler].function
        return (sampler(denoise, x, self.schedule, times, noise, **options) + 1) / 2

    def evaluations(self, variant: Variant) -> int:
        return SAMPLERS[variant.sampler].evaluations(variant.steps)

    def facts(self) -> dict[str, float | str]:
        """ᾱ_T: what is left of the image where sampling starts, and should be about 0."""
        return {"alpha_bar_T": self.schedule.alpha_bar[-1].item()}
