"""Residual shifting: a short Markov chain from the clean to the degraded image, and its reversal.

docs/formulations.md derives the equations. Equation numbers are those of Yue, Wang and Loy (2023).
"""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from pydantic import Field
from torch import Tensor, nn

from benchmark import Card, LearnedMethod
from methods.diffusion import process
from methods.diffusion.preconditioning import DEGRADED
from methods.diffusion.schedule import values_at
from methods.diffusion.timesteps import surplus_warning
from methods.networks.denoisers import DenoiserSettings
from methods.networks.losses import restoration_error


class Parameters(DenoiserSettings):
    """T: length of the chain; kappa: standard deviation of the noise at its end, for images in
    [-1, 1]; power: p of the schedule (below 1, η rises early); start_share: share of the training
    at t = T, where sampling starts (the rest at uniformly random times, as published).
    residual_deviation: see `methods.diffusion.preconditioning`."""

    T: int = Field(default=15, ge=2)
    kappa: float = Field(default=2.0, gt=0)
    power: float = Field(default=0.3, gt=0)
    start_share: float = Field(default=0.5, ge=0, le=1)
    residual_deviation: float = Field(default=DEGRADED, gt=0)


@dataclass(frozen=True)
class ShiftingChain:
    """The chain x_t = x0 + η_t (y - x0) + κ √η_t ε (equation 2); see `process.Process`.

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
        _ = self.end_deviation  # now: a training must not wait for the device to read it

    @classmethod
    def geometric(
        cls, T: int = 15, kappa: float = 2.0, power: float = 0.3, last: float = 0.999
    ) -> "ShiftingChain":
        """√η_t = √η_1 b^β_t: geometric in β_t = ((t-1)/(T-1))^p (T-1) (section 2.2).

        b is such that η_T = `last`. η_1 = min((0.04/κ)², 0.001), so that x_1 is nearly x0. Raises
        ValueError if T < 2, because η_1 and η_T differ.
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
        """The last time, where x is about y + κ ε."""
        return len(self.eta) - 1

    @cached_property
    def end_deviation(self) -> float:
        """κ √η_T: standard deviation of x_T."""
        return self.kappa * math.sqrt(self.eta[-1].item())

    def coefficients(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """1 - η_t and κ √η_t (equation 2) for (B,) times, as (B, 1, 1, 1) of the type and device of
        `like`."""
        eta = values_at(self.eta, t, like)
        return (1 - eta).to(like), (self.kappa * eta.sqrt()).to(like)

    def posterior(self, x_t: Tensor, x0: Tensor, y: Tensor, t: int, s: int) -> tuple[Tensor, float]:
        """Mean and standard deviation of q(x_s given x_t, x0, y), for any 0 <= s < t.

        The mean is (η_s/η_t) x_t + (1 - η_s/η_t) x0, the variance κ² (η_s/η_t) (η_t - η_s); y
        cancels out. s = t - 1 is the published step (equation 7).
        """
        eta_t, eta_s = self.eta[t].item(), self.eta[s].item()
        kept = eta_s / eta_t
        return kept * x_t + (1 - kept) * x0, self.kappa * math.sqrt(kept * (eta_t - eta_s))


class ResidualShift(LearnedMethod):
    card = Card(
        title="Residual shifting",
        citation="Yue, Wang and Loy. ResShift: Efficient Diffusion Model for Image "
        "Super-resolution by Residual Shifting. NeurIPS 2023.",
        url="https://arxiv.org/abs/2307.12348",
        licence="MIT",
        supervision="paired",
        description="Diffusion from the clean to the degraded image, not to noise: a Markov chain "
        "adds their difference step by step. Sampling starts at the degraded image plus noise and "
        "needs few steps. Published for latents; here on pixels.",
    )
    Parameters = Parameters
    Variant = process.Variant

    def __init__(self, parameters: Parameters | None = None):
        super().__init__(parameters)
        p = self.parameters
        self.chain = ShiftingChain.geometric(p.T, p.kappa, p.power)

    def build(self) -> nn.Module:
        return self.parameters.build(in_channels=6, time=True)

    def predict(self, condition: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """x̂0. condition (y), x_t: (B, 3, H, W) in the [-1, 1] scale; t: (B,)."""
        deviation = self.parameters.residual_deviation
        return process.estimate(self.chain, self.network, condition, x_t, t, deviation)

    def loss(self, clean: Tensor, degraded: Tensor, generator: torch.Generator) -> Tensor:
        """Error of x̂0 at random times: that of the regression (published: squared)."""
        share = self.parameters.start_share
        x0, y, x_t, t, _ = process.training_sample(self.chain, clean, degraded, share, generator)
        return restoration_error(self.predict(y, x_t, t), x0)

    def restore(
        self, degraded: Tensor, variant: process.Variant, generators: list[torch.Generator]
    ) -> Tensor:
        return process.restore(self.chain, self.predict, degraded, variant, generators)

    @classmethod
    def variant_warnings(cls, parameters: Parameters, variant: process.Variant) -> list[str]:
        return surplus_warning(variant.steps, parameters.T)

    def evaluations(self, variant: process.Variant) -> int:
        return variant.steps

    def facts(self) -> dict[str, float | str]:
        """η_T: share of the residual that equation 2 adds at t = T; about 1."""
        return {"eta_T": self.chain.eta[-1].item()}
