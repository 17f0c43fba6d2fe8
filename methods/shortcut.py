"""Shortcut model: one network for any number of steps, also for one, without a teacher.

docs/formulations.md derives the equations, here in the form in which the network predicts a clean
image.
"""

import math
from functools import partial
from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from benchmark import Card, LearnedMethod
from methods.diffusion import straight_line
from methods.diffusion.conditional import TiledPrediction, noise_source, normal_like, share_of
from methods.diffusion.preconditioning import DEGRADED
from methods.networks.denoisers import DenoiserSettings
from methods.networks.losses import LOSSES, Loss
from methods.networks.tile_settings import TileSettings

JUMPS = 1 / 4  # share of a batch on which one step is taught to do what two half steps do


class Parameters(DenoiserSettings):
    """start: where the line starts: at the `degraded` image with noise, or at `noise` alone. sigma:
    standard deviation of that noise, for images in [0, 1]; not for `noise`. most_steps: steps
    shorter than 2 / most_steps are Euler's. loss: see `methods.networks.losses`. start_share: share
    of the training at t = 1, where sampling starts (the rest at uniformly random times).
    residual_deviation: see `methods.diffusion.preconditioning`."""

    start: Literal["degraded", "noise"] = "degraded"
    sigma: float = Field(default=straight_line.SIGMA, ge=0)
    most_steps: int = Field(default=32, ge=2)
    loss: Loss = "rmse+ssim"
    start_share: float = Field(default=0.5, ge=0, le=1)
    residual_deviation: float = Field(default=DEGRADED, gt=0)

    @model_validator(mode="after")
    def _fit_the_start(self) -> "Parameters":
        straight_line.check_sigma(self.start, self.sigma)
        return self


class Variant(TileSettings):
    """steps (= NFE); the rest: tiles of large images, see
    `methods.networks.tile_settings.TileSettings`."""

    steps: int = Field(default=1, ge=1)


class Shortcut(LearnedMethod):
    card = Card(
        title="Shortcut model",
        citation="Frans, Hafner, Levine and Abbeel. One Step Diffusion via Shortcut Models. ICLR "
        "2025.",
        url="https://arxiv.org/abs/2410.12557",
        licence="MIT",
        supervision="paired",
        description="A rectified flow whose network is also told how far the next step goes. It "
        "learns from itself that one step must lead to where two half steps lead.",
    )
    Parameters = Parameters
    Variant = Variant

    pairs_counted = round(1 / JUMPS)

    def build(self) -> nn.Module:
        return self.parameters.build(in_channels=6, time=2)

    def predict(self, condition: Tensor, x_t: Tensor, t: Tensor, s: Tensor) -> Tensor:
        """The image (B, 3, H, W) at t = 0 of the line through x_t and x_s, of the step from t to s.

        condition (the degraded image), x_t: (B, 3, H, W) in the [-1, 1] scale; t, s: (B,), s <= t.
        From t to 0 it is the end of the path; for a step shorter than 2 / most_steps it is
        E[x0 given x_t, condition], the estimate of the flow. The network sees the noise at the
        start too, on which the end of a path depends.
        """
        p, step = self.parameters, t - s
        times = torch.stack([t, step.masked_fill(step * p.most_steps < 2 - 1e-3, 0)], dim=1)
        known, line = (condition, x_t, t, p.residual_deviation), self.line(condition)
        return line.estimate(lambda x: self.network(x, times), *known, noise_seen=True)

    def line(self, condition: Tensor) -> straight_line.Line:
        """The line from the clean image to the start. condition: as for `predict`."""
        p = self.parameters
        return straight_line.Line(condition, None if p.start == "noise" else 2 * p.sigma)

    def loss(self, clean: Tensor, degraded: Tensor, generator: torch.Generator) -> Tensor:
        """Error of x̂0 at random times; for a share JUMPS of the batch, of a step against two."""
        x0, condition = 2 * clean - 1, 2 * degraded - 1
        start = self.line(condition).start(normal_like(x0, generator))
        jumps = share_of(JUMPS, len(x0), generator)
        begin, end = self.random_steps(jumps, generator)
        rest = straight_line.random_times(len(x0) - jumps, self.parameters.start_share, generator)
        t, s = (torch.cat([part, rest]).to(x0.device) for part in (begin, end))
        x_t, target = straight_line.point(x0, start, t), x0
        if jumps:
            taught = self.two_steps(*(x[:jumps] for x in (condition, x_t, t, s)))
            target = torch.cat([taught, x0[jumps:]])
        return LOSSES[self.parameters.loss](self.predict(condition, x_t, t, s), target)

    def random_steps(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Beginnings and ends (count,) of steps i of n even ones: n is log-uniform from 1 to
        most_steps / 2, i uniform."""
        device, most = generator.device, self.parameters.most_steps // 2
        u, v = torch.rand(2, count, generator=generator, device=device)
        n = torch.exp(u * math.log(most + 1)).floor().clamp(max=most)
        i = (v * n).floor()
        return (i + 1) / n, i / n

    @torch.no_grad()
    def two_steps(self, condition: Tensor, x_t: Tensor, t: Tensor, s: Tensor) -> Tensor:
        """The prediction with which one step from t to s leads to where two half steps lead.

        It is the mean of the two half steps' predictions that weights the first with
        (s/m)(1 - m/t), the second with 1 - s/m; m is the middle. Arguments as for `predict`.
        """
        middle = (t + s) / 2
        first = self.predict(condition, x_t, t, middle).clamp(-1, 1)
        x_m = straight_line.step(x_t, first, t, middle)
        second = self.predict(condition, x_m, middle, s).clamp(-1, 1)
        x_s = straight_line.step(x_m, second, middle, s)
        return straight_line.end(x_t, x_s, t, s)

    def restore(
        self, degraded: Tensor, variant: Variant, generators: list[torch.Generator]
    ) -> Tensor:
        condition, noise = 2 * degraded - 1, noise_source(degraded, generators)

        def predict(condition: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
            return self.predict(condition, x_t, t, t - 1 / variant.steps)

        whole = partial(self.restore, variant=variant, generators=generators)
        tiles = TiledPrediction(predict, condition, variant, whole)
        start = self.line(condition).start(noise())
        x0 = straight_line.euler(lambda x, t: tiles(x, t).clamp(-1, 1), start, variant.steps)
        return (x0 + 1) / 2

    def evaluations(self, variant: Variant) -> int:
        return variant.steps
