"""Predict and refine: a regression, and a diffusion model of the residual that it leaves.

docs/formulations.md has the equations.
"""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from benchmark import Card, LearnedMethod
from methods.diffusion.conditional import TiledPrediction, noise_source, training_noise
from methods.diffusion.preconditioning import PREDICTED, residual_estimate
from methods.diffusion.samplers import SAMPLERS
from methods.diffusion.schedule import linear, uniform_timesteps, zero_terminal_snr
from methods.diffusion.timesteps import surplus_warning
from methods.networks.denoisers import DENOISERS, DenoiserSettings
from methods.networks.losses import restoration_error
from methods.networks.tile_settings import TileSettings
from methods.networks.two_stage import TwoStage


class Parameters(DenoiserSettings):
    """T: times of the linear noise schedule, scaled so that it ends in noise alone; start_share:
    share of the training at t = T, where sampling starts (the rest at uniformly random times, as
    published). residual_deviation: see `methods.diffusion.preconditioning`. The denoiser's settings
    are those of the predictor; the refiner has half its width."""

    T: int = Field(default=1000, ge=2)
    start_share: float = Field(default=0.5, ge=0, le=1)
    residual_deviation: float = Field(default=PREDICTED, gt=0)


class Variant(TileSettings):
    """sampler and steps of the refiner (NFE = steps + 1; with 0 steps the result is the
    prediction); the rest: tiles of large images, see
    `methods.networks.tile_settings.TileSettings`."""

    sampler: Literal["ddim", "ddpm"] = "ddpm"
    steps: int = Field(default=4, ge=0)


class PredictAndRefine(LearnedMethod):
    card = Card(
        title="Predict and refine",
        citation="Whang, Delbracio, Talebi, Saharia, Dimakis and Milanfar. Deblurring via "
        "Stochastic Refinement. CVPR 2022.",
        url="https://arxiv.org/abs/2112.02475",
        licence="MIT",
        supervision="paired",
        description="A regression predicts the clean image. A smaller conditional diffusion model, "
        "trained together with it, samples the residual.",
    )
    Parameters = Parameters
    Variant = Variant

    def __init__(self, parameters: Parameters | None = None):
        super().__init__(parameters)
        self.schedule = zero_terminal_snr(linear(self.parameters.T))

    def build(self) -> nn.Module:
        """The refiner sees the condition and the noisy residual, (B, 6, H, W).

        It has half the predictor's width, as published (32 and 64 channels); at the default size it
        takes 0.28 of the predictor's FLOPs. It is evaluated at every step, the predictor once, and
        the residual is the simpler signal.
        """
        p = self.parameters
        width = p.network.get("width", DENOISERS[p.denoiser][p.size]["width"])
        # A multiple of 8 suits the groups of the normalisations.
        refiner_width = max(8, width // 16 * 8)
        return TwoStage(
            predictor=p.build(in_channels=3, time=False),
            refiner=p.build(in_channels=6, time=True, width=refiner_width),
        )

    def predict(self, condition: Tensor) -> Tensor:
        """The regression's image: (B, 3, H, W) in the [-1, 1] scale, as the condition."""
        return condition + self.network(condition)

    def refined(self, inputs: Tensor, r_t: Tensor, t: Tensor) -> Tensor:
        """The prediction plus its residual at times t (B,). inputs: condition and prediction,
        (B, 6, H, W); r_t: the noisy residual in units of `residual_deviation`, (B, 3, H, W)."""
        condition, prediction = inputs.chunk(2, dim=1)
        s, (signal, noise) = self.parameters.residual_deviation, self.schedule.coefficients(t, r_t)
        return residual_estimate(
            lambda x: self.network(x, t / self.schedule.T),
            condition, base=prediction, offset=s * r_t, signal=signal, noise=s * noise, deviation=s,
        )  # fmt: skip

    def loss(self, clean: Tensor, degraded: Tensor, generator: torch.Generator) -> Tensor:
        """Error of the prediction, plus that of the refined image at random times.

        As published, gradients of the second term reach the predictor too. The first term is an
        addition. The published loss is the error of the noise, which a good predictor makes easier
        to predict. Here the refiner predicts the residual, and the second term alone would not make
        the prediction itself good.
        """
        p, x0, condition = self.parameters, 2 * clean - 1, 2 * degraded - 1
        prediction = self.predict(condition)
        t, epsilon = training_noise(x0, self.schedule.T, p.start_share, generator)
        signal, noise = self.schedule.coefficients(t, x0)
        r_t = signal * (x0 - prediction) / p.residual_deviation + noise * epsilon
        refined = self.refined(torch.cat([condition, prediction], dim=1), r_t, t)
        return restoration_error(prediction, x0) + restoration_error(refined, x0)

    def restore(
        self, degraded: Tensor, variant: Variant, generators: list[torch.Generator]
    ) -> Tensor:
        condition, scale = 2 * degraded - 1, self.parameters.residual_deviation
        prediction = variant.restore(self.predict, condition, scale=2)
        if variant.steps == 0:
            return (prediction + 1) / 2
        inputs = torch.cat([condition, prediction], dim=1)
        refined = TiledPrediction(
            self.refined, inputs, variant, lambda small: self.restore(small, variant, generators)
        )
        noise = noise_source(condition, generators)

        def denoise(r_t: Tensor, t: int) -> Tensor:
            """The residual in its units, limited so that the refined image lies in [-1, 1]."""
            return (refined(r_t, t).clamp(-1, 1) - prediction) / scale

        sampler = SAMPLERS[variant.sampler].function
        times = uniform_timesteps(self.schedule.T, variant.steps)
        residual = sampler(denoise, noise(), self.schedule, times, noise)
        return (prediction + scale * residual + 1) / 2

    @classmethod
    def variant_warnings(cls, parameters: Parameters, variant: Variant) -> list[str]:
        return surplus_warning(variant.steps, parameters.T)

    def evaluations(self, variant: Variant) -> int:
        return 1 + variant.steps
