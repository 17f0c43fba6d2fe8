"""Residual shifting: a short chain from the clean to the degraded image, run backward.

docs/formulations.md has the equations.
"""

import math
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor, nn

from benchmark import Card, LearnedMethod
from methods.diffusion.conditional import (
    TiledPrediction,
    per_image_noise,
    random_times,
    sample_posterior,
)
from methods.diffusion.schedule import uniform_timesteps
from methods.networks.denoisers import DenoiserSettings
from methods.networks.losses import restoration_error
from methods.networks.tile_settings import TileSettings


class Parameters(DenoiserSettings):
    """T: length of the chain; kappa: noise at its end, on the [-1, 1] scale of images; power: p of
    the schedule (below 1, η rises early); start_share: share of the training at t = T, where
    sampling starts (the rest is uniform, as published)."""

    T: int = Field(default=15, ge=2)
    kappa: float = Field(default=2.0, gt=0)
    power: float = Field(default=0.3, gt=0)
    start_share: float = Field(default=0.5, ge=0, le=1)


class Variant(TileSettings):
    """steps (= NFE), 1 to T; the rest says how large images are cut."""

    steps: int = Field(default=4, ge=1)


@dataclass(frozen=True)
class ShiftingChain:
    """The chain x_t = x0 + η_t (y - x0) + κ √η_t ε (Yue et al., 2023, section 2.1).

    eta: η_0 = 0, η_1, ..., η_T, float64, rising. Raises ValueError if it does not rise from 0 to at
    most 1 or if kappa is not above 0.
    """

    eta: Tensor
    kappa: float

    def __post_init__(self):
        eta = self.eta
        if len(eta) < 2 or eta[0] != 0 or not bool((eta.diff() > 0).all()) or eta[-1] > 1:
            raise ValueError("eta must rise from 0 to at most 1")
        if self.kappa <= 0:
            raise ValueError(f"kappa must be above 0, not {self.kappa:g}")

    @classmethod
    def geometric(
        cls, T: int = 15, kappa: float = 2.0, power: float = 0.3, last: float = 0.999
    ) -> "ShiftingChain":
        """√η_t = √η_1 b^β_t: geometric in β_t = ((t-1)/(T-1))^p (T-1) (there, section 2.2).

        b makes η_T = `last`. η_1 = min((0.04/κ)², 0.001), so that x_1 is nearly x0. Raises
        ValueError if T < 2: one time cannot have two ends.
        """
        if T < 2:
            raise ValueError(f"T must be at least 2, not {T}")
        first = min((0.04 / kappa) ** 2, 0.001)
        beta = torch.linspace(0, 1, T, dtype=torch.float64) ** power * (T - 1)
        log_b = math.log(last / first) / (2 * (T - 1))
        eta = first * torch.exp(2 * log_b * beta)
        return cls(torch.cat([torch.zeros(1, dtype=torch.float64), eta]), kappa)

    @property
    def T(self) -> int:
        """The last time, where the chain has arrived at the degraded image."""
        return len(self.eta) - 1

    def diffuse(self, x0: Tensor, y: Tensor, t: Tensor, epsilon: Tensor) -> Tensor:
        """x_t for (B, C, H, W) clean x0, degraded y and noise, and (B,) times."""
        eta = self.eta_at(t, x0)
        return x0 + eta * (y - x0) + self.kappa * eta.sqrt() * epsilon

    def posterior(self, x_t: Tensor, x0: Tensor, t: int, s: int) -> tuple[Tensor, float]:
        """Mean and standard deviation of q(x_s given x_t, x0), for any 0 <= s < t.

        y cancels out: the mean is (η_s/η_t) x_t + (1 - η_s/η_t) x0, the variance
        κ² (η_s/η_t) (η_t - η_s). s = t - 1 is the published step.
        """
        eta_t, eta_s = self.eta[t].item(), self.eta[s].item()
        kept = eta_s / eta_t
        return kept * x_t + (1 - kept) * x0, self.kappa * math.sqrt(kept * (eta_t - eta_s))

    def eta_at(self, t: Tensor, like: Tensor) -> Tensor:
        """η_t for (B,) times, as (B, 1, 1, 1) of the type and device of `like`."""
        return self.eta[t.cpu()].view(-1, 1, 1, 1).to(like)


class ResidualShift(LearnedMethod):
    card = Card(
        title="Residual shifting",
        citation="Yue, Wang and Loy. ResShift: Efficient Diffusion Model for Image "
        "Super-resolution by Residual Shifting. NeurIPS 2023.",
        url="https://arxiv.org/abs/2307.12348",
        licence="MIT",
        supervision="paired",
        description="Diffusion from the clean to the degraded image, not to noise: the chain "
        "shifts their residual, so sampling starts at the degraded image plus noise and needs few "
        "steps. Here on pixels instead of latents.",
    )
    Parameters = Parameters
    Variant = Variant

    def __init__(self, parameters: Parameters | None = None):
        super().__init__(parameters)
        p = self.parameters
        self.chain = ShiftingChain.geometric(p.T, p.kappa, p.power)

    def build(self) -> nn.Module:
        return self.parameters.build(in_channels=6, time=True)

    def predict(self, condition: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """x̂0: the network's correction added to the condition.

        condition, x_t: (B, 3, H, W) in the [-1, 1] scale; t: (B,). The noise of x_t reaches κ, so
        x_t is divided by √(1 + κ² η_t) to enter the network at about the same size at all times.
        """
        scale = (1 + self.chain.kappa**2 * self.chain.eta_at(t, x_t)).rsqrt()
        inputs = torch.cat([condition, scale * x_t], dim=1)
        return condition + self.network(inputs, t / self.chain.T)

    def loss(self, clean: Tensor, degraded: Tensor, generator: torch.Generator) -> Tensor:
        """Error of x̂0 at random times: the regression's (published: squared)."""
        x0, condition = 2 * clean - 1, 2 * degraded - 1
        t = random_times(len(x0), self.chain.T, self.parameters.start_share, generator)
        epsilon = torch.randn(x0.shape, generator=generator).to(x0)
        x_t = self.chain.diffuse(x0, condition, t, epsilon)
        return restoration_error(self.predict(condition, x_t, t.to(x0.device)), x0)

    def restore(
        self, degraded: Tensor, variant: Variant, generators: list[torch.Generator]
    ) -> Tensor:
        condition = 2 * degraded - 1
        predict = TiledPrediction(self.predict, condition, variant)

        def noise() -> Tensor:
            return per_image_noise(degraded.shape[1:], generators).to(degraded)

        def denoise(x_t: Tensor, t: int) -> Tensor:
            return predict(x_t, t).clamp(-1, 1)

        times = uniform_timesteps(self.chain.T, variant.steps)
        start = condition + self.chain.kappa * math.sqrt(self.chain.eta[-1].item()) * noise()
        return (sample_posterior(denoise, start, self.chain.posterior, times, noise) + 1) / 2

    def evaluations(self, variant: Variant) -> int:
        return variant.steps

    def facts(self) -> dict[str, float | str]:
        """η_T: how far the chain has come to the degraded image where sampling starts; about 1."""
        return {"eta_T": self.chain.eta[-1].item()}
