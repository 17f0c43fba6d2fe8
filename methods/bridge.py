"""Diffusion bridge: a mean-reverting process that ends exactly at the degraded image, reversed.

docs/formulations.md derives the equations. Equation numbers are those of Yue et al. (2024).
"""

from functools import cached_property

import torch
from pydantic import Field
from torch import Tensor, nn

from benchmark import Card, LearnedMethod
from methods.diffusion import process
from methods.diffusion.preconditioning import DEGRADED
from methods.diffusion.schedule import values_at
from methods.diffusion.timesteps import surplus_warning
from methods.mean_reverting_sde import MeanRevertingSDE
from methods.networks.denoisers import DenoiserSettings
from methods.networks.losses import LOSSES, Loss


class Parameters(DenoiserSettings):
    """T: number of times; noise_level: λ, the stationary standard deviation of the process before
    it is tied to its end, for images in [0, 1]; left: e^{-θ̄_T}; loss: see
    `methods.networks.losses`; start_share: share of the training at t = T, where sampling starts
    (the rest at uniformly random times). residual_deviation: see
    `methods.diffusion.preconditioning`."""

    T: int = Field(default=100, ge=1)
    noise_level: float = Field(default=30 / 255, gt=0)
    left: float = Field(default=0.005, gt=0, lt=1)
    loss: Loss = "rmse+ssim"
    start_share: float = Field(default=0.5, ge=0, le=1)
    residual_deviation: float = Field(default=DEGRADED, gt=0)


class OrnsteinUhlenbeckBridge(MeanRevertingSDE):
    """The mean-reverting SDE from x0 to y, on condition that x_T = y; see `process.Process`.

    The coefficients are those of equation 8. `posterior` is that of the SDE: once x_t is
    known, x_T says nothing more about earlier times. At t = T it is the marginal at s, because
    x_T - y = 0, and nothing is divided by the variance of x_T, which is 0. With s = t - 1 it is the
    published step (proposition 3.3, with m at t - 1 as in its derivation and the authors' code).
    """

    def __post_init__(self):
        super().__post_init__()
        _ = self.tables  # now: memory is counted with tensors that have no values to keep

    @property
    def end_deviation(self) -> float:
        """x_T is y."""
        return 0.0

    @cached_property
    def tables(self) -> tuple[Tensor, Tensor]:
        """m_t and √V_t at t = 0, 1, ..., T.

        Equation 8 in hyperbolic sines, which lose no digits at the ends:
        m_t = sinh(θ̄_T - θ̄_t) / sinh θ̄_T and V_t = 2 λ² sinh θ̄_t sinh(θ̄_T - θ̄_t) / sinh θ̄_T.
        """
        gone, total = self.theta_bar, self.theta_bar[-1]
        kept = (total - gone).sinh() / total.sinh()
        return kept, self.level * (2 * gone.sinh() * kept).sqrt()

    def coefficients(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """m_t and √V_t for (B,) times, as (B, 1, 1, 1) of the type and device of `like`."""
        kept, deviation = (values_at(table, t, like).to(like) for table in self.tables)
        return kept, deviation


class Bridge(LearnedMethod):
    card = Card(
        title="Diffusion bridge",
        citation="Yue, Peng, Ma, Du, Wei and Zhang. Image Restoration Through Generalized "
        "Ornstein-Uhlenbeck Bridge. ICML 2024.",
        url="https://arxiv.org/abs/2312.10299",
        licence="MIT",
        supervision="paired",
        description="A mean-reverting process from the clean image, tied so that it ends at the "
        "degraded image itself. It is reversed from there, step by step.",
    )
    Parameters = Parameters
    Variant = process.Variant

    def __init__(self, parameters: Parameters | None = None):
        super().__init__(parameters)
        p = self.parameters
        # noise_level is for images in [0, 1]; images here are in [-1, 1].
        self.bridge = OrnsteinUhlenbeckBridge.cosine(p.T, 2 * p.noise_level, p.left)

    def build(self) -> nn.Module:
        return self.parameters.build(in_channels=6, time=True)

    def predict(self, condition: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """x̂0. condition (y), x_t: (B, 3, H, W) in the [-1, 1] scale; t: (B,)."""
        deviation = self.parameters.residual_deviation
        return process.estimate(self.bridge, self.network, condition, x_t, t, deviation)

    def loss(self, clean: Tensor, degraded: Tensor, generator: torch.Generator) -> Tensor:
        """Error of x̂0 at random times (published: of the earlier state, absolute)."""
        p = self.parameters
        x0, y, x_t, t, _ = process.training_sample(
            self.bridge, clean, degraded, p.start_share, generator
        )
        return LOSSES[p.loss](self.predict(y, x_t, t), x0)

    def restore(
        self, degraded: Tensor, variant: process.Variant, generators: list[torch.Generator]
    ) -> Tensor:
        return process.restore(self.bridge, self.predict, degraded, variant, generators)

    @classmethod
    def variant_warnings(cls, parameters: Parameters, variant: process.Variant) -> list[str]:
        return surplus_warning(variant.steps, parameters.T)

    def evaluations(self, variant: process.Variant) -> int:
        return variant.steps
