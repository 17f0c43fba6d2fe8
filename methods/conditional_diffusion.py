"""The image-conditional diffusion model: DDPM/DDIM with the degraded image as condition."""

from fractions import Fraction
from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from benchmark import Card, LearnedMethod, UserError
from methods.diffusion.conditional import (
    TiledPrediction,
    normal_like,
    per_image_noise,
    share_of,
    training_noise,
)
from methods.diffusion.patches import PatchPrediction, pad_to_patch, published_timesteps
from methods.diffusion.preconditioning import residual_estimate
from methods.diffusion.samplers import SAMPLERS
from methods.diffusion.schedule import SCHEDULES, Schedule, zero_terminal_snr
from methods.diffusion.targets import Target, from_x0, to_x0
from methods.diffusion.timesteps import SPACINGS, noised_start, untrained_warning
from methods.diffusion.weighting import WEIGHTINGS
from methods.networks.denoisers import DenoiserSettings
from methods.networks.losses import LOSSES, Loss
from methods.networks.tile_settings import TileSettings
from methods.networks.unet import Conditioning


class Parameters(DenoiserSettings):
    """target: the network's prediction. schedule, T: the noise schedule and its number of times.
    zero_terminal_snr: rescale the schedule so that x_T is noise alone. start_share: the share of
    training pairs at t = T, where sampling starts; the others are at uniformly random times
    (0: equation 12). training_times, training_spacing: if there are training_times, these are the
    times of a sampler with so many steps and this spacing. own_estimates: the share of training
    pairs whose x_t is made from the network's own estimate at t = T instead of from x0, as at the
    second step of sampling (for x0). residual_deviation: for x0, standard
    deviation of clean minus degraded images in the [-1, 1] scale, for which the network is
    preconditioned (`methods.diffusion.preconditioning`); None: it is not. loss: for x0, see
    `methods.networks.losses`. perceptual_until: the last time, as a share of T, at which LPIPS is a
    part of such a loss. weighting: of the squared error, for ε and v, and for x0 unless it is
    `plain`. conditioning: see `methods.networks.unet.UNet`."""

    target: Target = "x0"
    schedule: Literal["linear", "scaled-linear", "cosine", "sigmoid", "edm"] = "linear"
    T: int = Field(default=1000, ge=1)
    zero_terminal_snr: bool = False
    start_share: float = Field(default=0.8, ge=0, le=1)
    training_times: int | None = Field(default=None, ge=1)
    training_spacing: Literal["uniform", "quadratic", "log-snr"] = "uniform"
    own_estimates: float = Field(default=0, ge=0, le=1)
    residual_deviation: float | None = Field(default=None, gt=0)
    loss: Loss = "rmse+ssim"
    perceptual_until: float = Field(default=1, gt=0, le=1)
    weighting: Literal["plain", "min-snr", "edm"] = "plain"
    conditioning: Conditioning = "concatenation"

    @model_validator(mode="after")
    def _possible(self) -> "Parameters":
        if self.zero_terminal_snr and self.target == "epsilon":
            raise ValueError(
                "zero_terminal_snr: at t = T, ε does not determine x0. Set target to x0 or v"
            )
        if self.zero_terminal_snr and self.T < 2:
            raise ValueError("zero_terminal_snr: T must be at least 2")
        if self.conditioning == "modulation" and self.denoiser != "unet":
            raise ValueError("conditioning: 'modulation' works with the denoiser 'unet' only")
        return self

    @model_validator(mode="after")
    def _possible_training(self) -> "Parameters":
        if self.training_times is not None and self.training_times > self.T:
            raise ValueError(f"training_times: must be at most T = {self.T}")
        if self.training_times is None and self.training_spacing != "uniform":
            raise ValueError("training_spacing: set training_times too")
        if self.residual_deviation is not None and self.target != "x0":
            raise ValueError("residual_deviation: works with the target x0 only")
        if self.own_estimates > 0 and self.target != "x0":
            raise ValueError("own_estimates: works with the target x0 only")
        if self.weighting == "edm" and self.residual_deviation is None:
            raise ValueError("weighting: 'edm' needs residual_deviation")
        with_lpips = self.loss == "rmse+ssim+lpips" and (self.target, self.weighting) == (
            "x0", "plain",
        )  # fmt: skip
        if self.perceptual_until < 1 and not with_lpips:
            raise ValueError(
                "perceptual_until: needs loss 'rmse+ssim+lpips', target x0 and weighting 'plain'"
            )
        return self


class Variant(TileSettings):
    """steps: the number of times at which the denoiser is evaluated. spacing: how the times are
    chosen. start: the share of T at which sampling starts, from the degraded image with the noise
    of that time (1: from noise alone). eta: DDIM's share of fresh noise.

    patch, stride: sample as published (Özdenizci and Legenstein, 2023, algorithm 2): in each step
    the mean over overlapping patches of `patch` pixels, `stride` pixels apart, `tile_batch` of them
    at once; there `spacing` is `published` too. Without `patch`, an image is evaluated whole, and a
    large one on tiles: see `methods.networks.tile_settings.TileSettings`."""

    sampler: Literal[
        "ddpm", "ddim", "dpm-solver-2s", "dpm-solver-2m", "dpm-solver-3m", "unipc", "heun", "plms"
    ] = "ddim"
    steps: int = Field(default=1, ge=1)
    spacing: Literal["uniform", "quadratic", "log-snr", "published"] = "uniform"
    start: float = Field(default=1.0, gt=0, le=1)
    eta: float = Field(default=0.0, ge=0, le=1)
    patch: int | None = Field(default=None, ge=1)
    stride: int = Field(default=16, ge=1)

    @model_validator(mode="after")
    def _as_published(self) -> "Variant":
        if self.patch is not None and self.stride > self.patch:
            raise ValueError(f"stride: must be at most patch = {self.patch}, not {self.stride}")
        if self.spacing == "published" and self.start != 1:
            raise ValueError("spacing: 'published' starts from noise alone: start must be 1")
        return self


def schedule_of(parameters: Parameters) -> Schedule:
    """The noise schedule."""
    schedule = SCHEDULES[parameters.schedule](parameters.T)
    return zero_terminal_snr(schedule) if parameters.zero_terminal_snr else schedule


def training_times(parameters: Parameters, schedule: Schedule) -> list[int] | None:
    """The times below and at T that are trained; None: all."""
    if parameters.training_times is None:
        return None
    return SPACINGS[parameters.training_spacing](schedule, parameters.training_times)


def sampling_times(variant: Variant, schedule: Schedule) -> list[int]:
    """The falling times at which the denoiser is evaluated.

    Raises UserError for the spacing `published` if steps does not divide T.
    """
    t0 = max(variant.steps, round(variant.start * schedule.T))
    if variant.spacing != "published":
        return SPACINGS[variant.spacing](schedule, variant.steps, t0)
    if schedule.T % variant.steps:
        raise UserError(
            f"spacing 'published': T = {schedule.T} is not a multiple of {variant.steps} "
            "steps. Choose another number of steps, or spacing: uniform."
        )
    return published_timesteps(schedule.T, variant.steps)


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
        self.schedule = schedule_of(self.parameters)
        times = training_times(self.parameters, self.schedule)
        self.training_times = torch.tensor(times) if times else None
        # So many pairs that the share of own estimates is a whole number of them.
        self.pairs_counted = (
            Fraction(self.parameters.own_estimates).limit_denominator(20).denominator
        )

    def build(self) -> nn.Module:
        return self.parameters.build(
            in_channels=6, time=True, conditioning=self.parameters.conditioning
        )

    def predict(self, condition: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """The prediction of the target, (B, 3, H, W).

        condition and x_t: (B, 3, H, W); images in them have the range [-1, 1]. t: (B,) times. The
        condition comes first among the network's input channels.

        If the target is x0, the network predicts the difference from the degraded image, as in the
        regression: without weather it is zero. The network gets √ᾱ_t x_t instead of x_t. This is
        the best linear estimate of x0 from x_t; it vanishes where x_t is noise alone, so the
        network need not learn to ignore that noise.
        """
        p = self.parameters

        def network(inputs: Tensor) -> Tensor:
            return self.network(inputs, t / self.schedule.T)

        if p.target != "x0":
            return network(torch.cat([condition, x_t], dim=1))
        signal, noise = self.schedule.coefficients(t, x_t)
        if p.residual_deviation is not None:
            return residual_estimate(
                network, condition, base=condition, offset=x_t - signal * condition,
                signal=signal, noise=noise, deviation=p.residual_deviation,
            )  # fmt: skip
        return condition + network(torch.cat([condition, signal * x_t], dim=1))

    def loss(self, clean: Tensor, degraded: Tensor, generator: torch.Generator) -> Tensor:
        """The scalar of equation (12) with a condition: the target's error at random times.

        For ε and v it is the weighted squared error, as published. For x0 it is the regression's
        loss, or the weighted squared error if `weighting` is not `plain`.
        """
        p, x0, condition = self.parameters, 2 * clean - 1, 2 * degraded - 1
        t, epsilon = training_noise(x0, p.T, p.start_share, generator, self.training_times)
        signal, noise = self.schedule.coefficients(t, x0)
        shown = self.shown_images(x0, condition, generator)
        prediction = self.predict(condition, signal * shown + noise * epsilon, t)
        target = from_x0(p.target, x0, epsilon, signal, noise)
        if p.target == "x0" and p.weighting == "plain":
            limited = {"where": t <= p.perceptual_until * p.T} if p.perceptual_until < 1 else {}
            return LOSSES[p.loss](prediction, target, **limited)
        known = {"deviation": p.residual_deviation} if p.weighting == "edm" else {}
        weight = WEIGHTINGS[p.weighting](p.target, self.schedule.snr(t, x0), **known)
        return (weight * (prediction - target).square()).mean()

    def shown_images(self, x0: Tensor, condition: Tensor, generator: torch.Generator) -> Tensor:
        """The images (B, 3, H, W) of which x_t is made: the network's own estimates of the first
        `own_estimates` of the batch, and x0 of the others."""
        count = share_of(self.parameters.own_estimates, len(x0), generator)
        if count == 0:
            return x0
        T = self.schedule.T
        with torch.no_grad():
            noise = normal_like(x0[:count], generator)
            at_start = torch.full((count,), T, device=x0.device)
            estimates = self.predict(condition[:count], noise, at_start).clamp(-1, 1)
        return torch.cat([estimates, x0[count:]])

    def restore(
        self, degraded: Tensor, variant: Variant, generators: list[torch.Generator]
    ) -> Tensor:
        height, width = degraded.shape[-2:]
        if variant.patch is None:
            condition = 2 * degraded - 1
            predict = TiledPrediction(
                self.predict, condition, variant,
                lambda small: self.restore(small, variant, generators), self.to_image,
            )  # fmt: skip
        else:
            condition = 2 * pad_to_patch(degraded, variant.patch) - 1
            patches = (variant.patch, variant.stride, variant.tile_batch)
            target = PatchPrediction(self.predict, condition, *patches)

            def predict(x_t: Tensor, t: int) -> Tensor:
                return self.to_image(target(x_t, t), x_t, t)

        def noise() -> Tensor:
            return per_image_noise(condition.shape[1:], generators).to(condition)

        def denoise(x_t: Tensor, t: int) -> Tensor:
            return predict(x_t, t).clamp(-1, 1)

        times = sampling_times(variant, self.schedule)
        if variant.start == 1 or times[0] == self.schedule.T:
            x = noise()
        else:
            x = noised_start(condition, self.schedule, times[0], noise())
        options = {"eta": variant.eta} if variant.sampler == "ddim" else {}
        sampler = SAMPLERS[variant.sampler].function
        restored = (sampler(denoise, x, self.schedule, times, noise, **options) + 1) / 2
        return restored[..., :height, :width]

    def to_image(self, prediction: Tensor, x_t: Tensor, t: int) -> Tensor:
        """x̂0 for a prediction of the target, clamped to [-1, 1].

        At t near T, x̂0 from ε̂ would otherwise be far outside.
        """
        signal, noise = self.schedule.signal(t), self.schedule.noise(t)
        return to_x0(self.parameters.target, prediction, x_t, signal, noise).clamp(-1, 1)

    @classmethod
    def variant_warnings(cls, parameters: Parameters, variant: Variant) -> list[str]:
        schedule = schedule_of(parameters)
        try:
            sampled = sampling_times(variant, schedule)
        except (UserError, ValueError) as error:
            return [str(error)]
        trained = training_times(parameters, schedule)
        if trained is None:
            return []
        advice = (
            f"choose a number of steps that divides {parameters.training_times}, the spacing "
            f"'{parameters.training_spacing}' and start: 1"
        )
        return untrained_warning(sampled, [*trained, schedule.T], advice)

    def evaluations(self, variant: Variant) -> int:
        return SAMPLERS[variant.sampler].evaluations(variant.steps)

    def facts(self) -> dict[str, float | str]:
        """ᾱ_T: the share of the image in x_T, where sampling starts; it should be about 0."""
        return {"alpha_bar_T": self.schedule.alpha_bar[-1].item()}
