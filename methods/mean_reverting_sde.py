"""Mean-reverting SDE: the clean image drifts to the degraded one under noise, and its reversal.

docs/formulations.md derives the equations. Equation numbers are those of Luo et al. (2023).
"""

import math
from dataclasses import dataclass
from typing import Literal

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
    """target: the network's prediction (epsilon as published); T: number of times; noise_level: λ,
    the stationary standard deviation, for images in [0, 1]; left: share of the residual left at
    t = T; start_share: share of the training at t = T, where sampling starts (the rest at uniformly
    random times, as published). residual_deviation: for x0, see
    `methods.diffusion.preconditioning`."""

    target: Literal["x0", "epsilon"] = "x0"
    T: int = Field(default=100, ge=1)
    noise_level: float = Field(default=10 / 255, gt=0)
    left: float = Field(default=0.005, gt=0, lt=1)
    start_share: float = Field(default=0.5, ge=0, le=1)
    residual_deviation: float = Field(default=DEGRADED, gt=0)


@dataclass(frozen=True)
class MeanRevertingSDE:
    """dx = θ_t (μ - x) dt + σ_t dw with σ_t² = 2 λ² θ_t (equation 3); see `process.Process`.

    μ is the degraded image. theta_bar: θ̄_t, the integral of θ from 0 to t, at t = 0, 1, ..., T;
    float64, rising from 0. level: λ. Raises ValueError if theta_bar does not rise from 0 or if
    level is not above 0.
    """

    theta_bar: Tensor
    level: float

    def __post_init__(self):
        theta_bar = self.theta_bar
        if len(theta_bar) < 2 or theta_bar[0] != 0 or not bool((theta_bar.diff() > 0).all()):
            raise ValueError("theta_bar must rise from 0")
        if self.level <= 0:
            raise ValueError(f"level must be above 0, not {self.level:g}")

    @classmethod
    def cosine(
        cls, T: int = 100, level: float = 10 / 255, left: float = 0.005
    ) -> "MeanRevertingSDE":
        """θ_t ∝ 1 - f(t) with the cosine ᾱ of Nichol and Dhariwal (2021, equation 17) as f.

        Scaled so that e^{-θ̄_T} = `left`; times are offset as in the authors' code.
        """
        times = (torch.arange(T + 1, dtype=torch.float64) + 1) / (T + 2)
        f = torch.cos((torch.cat([torch.zeros(1), times]) + 0.008) / 1.008 * math.pi / 2) ** 2
        theta_bar = torch.cumsum(1 - f[1:] / f[0], dim=0)
        theta_bar = theta_bar - theta_bar[0]
        return cls(theta_bar * (-math.log(left) / theta_bar[-1]), level)

    @property
    def T(self) -> int:
        """The last time, where x is about μ + λ ε."""
        return len(self.theta_bar) - 1

    @property
    def end_deviation(self) -> float:
        """λ: the stationary standard deviation, that of x_T but for a share e^{-2θ̄_T}."""
        return self.level

    def coefficients(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """e^{-θ̄_t} and √v_t = λ √(1 - e^{-2θ̄_t}) (equation 6) for (B,) times, as (B, 1, 1, 1) of
        the type and device of `like`."""
        theta_bar = values_at(self.theta_bar, t, like)
        deviation = self.level * (-torch.expm1(-2 * theta_bar)).sqrt()
        return torch.exp(-theta_bar).to(like), deviation.to(like)

    def to_x0(self, epsilon: Tensor, x_t: Tensor, mu: Tensor, t: Tensor) -> Tensor:
        """Equation 6 solved for x0: the clean image for a prediction of the noise."""
        kept, deviation = self.coefficients(t, x_t)
        return mu + (x_t - mu - deviation * epsilon) / kept

    def posterior(
        self, x_t: Tensor, x0: Tensor, mu: Tensor, t: int, s: int
    ) -> tuple[Tensor, float]:
        """Mean and standard deviation of p(x_s given x_t, x0), for any 0 <= s < t.

        With A = e^{-(θ̄_t - θ̄_s)}, B = e^{-θ̄_t} and C = e^{-θ̄_s}, Bayes' rule gives the mean
        μ + A (1-C²)/(1-B²) (x_t - μ) + C (1-A²)/(1-B²) (x0 - μ) and the variance
        λ² (1-A²) (1-C²)/(1-B²). With s = t - 1 the mean is proposition 3.2, the most likely earlier
        state.
        """
        bar_t, bar_s = self.theta_bar[t].item(), self.theta_bar[s].item()
        # 1 - B², 1 - C² and 1 - A² by expm1, which keeps all digits near t = 0.
        all_t, all_s, step = (-math.expm1(-2 * b) for b in (bar_t, bar_s, bar_t - bar_s))
        of_x_t = math.exp(-(bar_t - bar_s)) * all_s / all_t
        of_x0 = math.exp(-bar_s) * step / all_t
        mean = mu + of_x_t * (x_t - mu) + of_x0 * (x0 - mu)
        return mean, self.level * math.sqrt(step * all_s / all_t)


class MeanReverting(LearnedMethod):
    card = Card(
        title="Mean-reverting SDE",
        citation="Luo, Gustafsson, Zhao, Sjölund and Schön. Image Restoration with Mean-Reverting "
        "Stochastic Differential Equations. ICML 2023.",
        url="https://arxiv.org/abs/2301.11699",
        licence="MIT",
        supervision="paired",
        description="A stochastic differential equation takes the clean image to the degraded "
        "one plus a little noise. It is reversed step by step, from the degraded image plus "
        "noise.",
    )
    Parameters = Parameters
    Variant = process.Variant

    def __init__(self, parameters: Parameters | None = None):
        super().__init__(parameters)
        p = self.parameters
        # noise_level is for images in [0, 1]; images here are in [-1, 1].
        self.sde = MeanRevertingSDE.cosine(p.T, 2 * p.noise_level, p.left)

    def build(self) -> nn.Module:
        return self.parameters.build(in_channels=6, time=True)

    def predict(self, condition: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """The network's prediction of its target: x̂0 or ε̂.

        condition (μ), x_t: (B, 3, H, W) in the [-1, 1] scale; t: (B,).
        """
        p = self.parameters
        if p.target == "x0":
            return process.estimate(self.sde, self.network, condition, x_t, t, p.residual_deviation)
        return self.network(torch.cat([condition, x_t], dim=1), t / self.sde.T)

    def estimate(self, condition: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """x̂0 for either target; arguments as for `predict`."""
        prediction = self.predict(condition, x_t, t)
        if self.parameters.target == "x0":
            return prediction
        return self.sde.to_x0(prediction, x_t, condition, t)

    def loss(self, clean: Tensor, degraded: Tensor, generator: torch.Generator) -> Tensor:
        """Error at random times: that of the regression for x0, the mean absolute one for ε."""
        p, of_x0 = self.parameters, self.parameters.target == "x0"
        # ε as published: at t = T too, where it tells x0 only by the residual that is left in x_T.
        x0, y, x_t, t, epsilon = process.training_sample(
            self.sde, clean, degraded, p.start_share, generator, sampled=of_x0
        )
        prediction = self.predict(y, x_t, t)
        return restoration_error(prediction, x0) if of_x0 else (prediction - epsilon).abs().mean()

    def restore(
        self, degraded: Tensor, variant: process.Variant, generators: list[torch.Generator]
    ) -> Tensor:
        return process.restore(self.sde, self.estimate, degraded, variant, generators)

    @classmethod
    def variant_warnings(cls, parameters: Parameters, variant: process.Variant) -> list[str]:
        return surplus_warning(variant.steps, parameters.T)

    def evaluations(self, variant: process.Variant) -> int:
        return variant.steps

    def facts(self) -> dict[str, float | str]:
        """e^{-θ̄_T}: share of the residual that equation 6 leaves at t = T; about 0."""
        return {"residual_left_at_T": math.exp(-self.sde.theta_bar[-1].item())}
