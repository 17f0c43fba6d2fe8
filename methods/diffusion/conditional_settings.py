"""Settings of the image-conditional diffusion model, and the times that follow from them."""

from typing import Literal

from pydantic import Field, model_validator

from benchmark import UserError
from methods.diffusion.patches import published_timesteps
from methods.diffusion.schedule import SCHEDULES, Schedule, zero_terminal_snr
from methods.diffusion.targets import Target
from methods.diffusion.timesteps import SPACINGS
from methods.networks.denoisers import DenoiserSettings
from methods.networks.losses import Loss
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
