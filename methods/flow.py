"""Rectified flow: a straight line from a start to the clean image, by any number of Euler steps.

docs/formulations.md derives the equations and says how the published flows differ.
"""

from functools import partial
from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from benchmark import Card, LearnedMethod, UserError
from methods.diffusion import straight_line
from methods.diffusion.conditional import TiledPrediction, noise_source, normal_like
from methods.diffusion.preconditioning import DEGRADED, PREDICTED
from methods.networks.denoisers import DenoiserSettings
from methods.networks.losses import LOSSES, Loss
from methods.networks.tile_settings import TileSettings
from methods.networks.two_stage import TwoStage
from methods.regression import Regression


class Parameters(DenoiserSettings):
    """start: where the line starts. `prediction`: at the image of a regression, the entry's
    `teacher`, with noise; `degraded`: at the degraded image with noise; `noise`: at noise alone.
    sigma: standard deviation of that noise, for images in [0, 1]; not for `noise`. sigma_of:
    `image`, the same everywhere; `residual`, at each pixel sigma times the mean of |prediction -
    degraded| around it, so that regions without weather get none. condition: whether the network
    sees the degraded image, and for `prediction` the regression's; if not, it sees x_t alone. loss:
    see `methods.networks.losses`. start_share: share of the training at t = 1, where sampling
    starts (the rest at uniformly random times). residual_deviation: with a condition, see
    `methods.diffusion.preconditioning` (None: 0.15 for `prediction`, else 0.35)."""

    start: Literal["prediction", "degraded", "noise"] = "degraded"
    sigma: float = Field(default=straight_line.SIGMA, ge=0)
    sigma_of: Literal["image", "residual"] = "image"
    condition: bool = True
    loss: Loss = "rmse+ssim"
    start_share: float = Field(default=0.5, ge=0, le=1)
    residual_deviation: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _fit_the_start(self) -> "Parameters":
        straight_line.check_sigma(self.start, self.sigma)
        if self.start == "noise" and not self.condition:
            raise ValueError("condition: start 'noise' needs the degraded image as condition")
        if self.start != "prediction" and self.sigma_of == "residual":
            raise ValueError(f"sigma_of: start '{self.start}' has no residual. Set it to image")
        return self


class Variant(TileSettings):
    """steps: of Euler's method, one evaluation each; start `prediction` needs one more. The rest:
    tiles of large images, see `methods.networks.tile_settings.TileSettings`."""

    steps: int = Field(default=4, ge=1)


class Flow(LearnedMethod):
    card = Card(
        title="Rectified flow",
        citation="Ohayon, Michaeli and Elad. Posterior-Mean Rectified Flow: Towards Minimum MSE "
        "Photo-Realistic Image Restoration. ICLR 2025. Delbracio and Milanfar. Inversion by Direct "
        "Iteration. TMLR 2023. Liu, Gong and Liu. Flow Straight and Fast. ICLR 2023.",
        url="https://arxiv.org/abs/2410.00418",
        licence="MIT",
        supervision="paired",
        description="Follows the straight line to the clean image from the image of a regression, "
        "from the degraded image, or from noise. Trained once, sampled at any number of steps.",
    )
    Parameters = Parameters
    Variant = Variant
    taught = False

    def build(self) -> nn.Module:
        p = self.parameters
        conditions = (1 + (p.start == "prediction")) * p.condition
        network = p.build(in_channels=3 * conditions + 3, time=True)
        if p.start != "prediction":
            return network
        return TwoStage(p.build(in_channels=3, time=False).requires_grad_(False), network)

    @classmethod
    def needs_teacher(cls, parameters: Parameters) -> bool:
        return parameters.start == "prediction"

    def learn_from(self, teacher: Regression) -> None:
        """Take a regression's weights, which stay as they are. Raises UserError for another start
        than `prediction`, and for a teacher of another method or network."""
        p = self.parameters
        if p.start != "prediction":
            raise UserError(f"flow: start '{p.start}' takes no teacher. Remove 'teacher'.")
        same = {*DenoiserSettings.model_fields}
        own, other = p.model_dump(include=same), teacher.parameters.model_dump(include=same)
        if type(teacher) is not Regression or own != other:
            raise UserError("flow: the teacher must be a regression entry with the same network.")
        self.network.predictor.load_state_dict(teacher.network.state_dict())
        self.taught = True

    def regress(self, y: Tensor) -> Tensor:
        """The teacher's image, (B, 3, H, W) in [-1, 1], of the degraded image y in that scale."""
        return (y + self.network(y)).clamp(-1, 1)

    def line(self, condition: Tensor) -> straight_line.Line:
        """The line from the clean image to the start. condition: as for `predict`."""
        p, y, base = self.parameters, condition[:, :3], condition[:, -3:]
        sigma = None if p.start == "noise" else 2 * p.sigma  # [-1, 1] is twice as long as [0, 1]
        if p.sigma_of == "residual":
            sigma = p.sigma * straight_line.local_mean((base - y).abs())
        return straight_line.Line(base, sigma)

    def predict(self, condition: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """x̂0 at times t (B,), (B, 3, H, W) in the [-1, 1] scale. condition: the degraded image y,
        and for the start `prediction` the teacher's too: (B, 3 or 6, H, W)."""
        p = self.parameters
        if not p.condition:
            return x_t + self.network(x_t, t)  # x_t is x0 at t = 0
        deviation = p.residual_deviation or (PREDICTED if p.start == "prediction" else DEGRADED)
        line = self.line(condition)
        return line.estimate(lambda x: self.network(x, t), condition, x_t, t, deviation)

    def loss(self, clean: Tensor, degraded: Tensor, generator: torch.Generator) -> Tensor:
        """Error of x̂0 at random times. Raises UserError if a teacher is missing."""
        p, x0, condition = self.parameters, 2 * clean - 1, 2 * degraded - 1
        if p.start == "prediction":
            if not self.taught:
                raise UserError("flow: start 'prediction' needs 'teacher', a regression entry.")
            with torch.no_grad():
                condition = torch.cat([condition, self.regress(condition)], dim=1)
        t = straight_line.random_times(len(x0), p.start_share, generator).to(x0.device)
        start = self.line(condition).start(normal_like(x0, generator))
        return LOSSES[p.loss](self.predict(condition, straight_line.point(x0, start, t), t), x0)

    def restore(
        self, degraded: Tensor, variant: Variant, generators: list[torch.Generator]
    ) -> Tensor:
        condition, noise = 2 * degraded - 1, noise_source(degraded, generators)
        if self.parameters.start == "prediction":
            prediction = variant.evaluate(self.regress, condition)
            condition = torch.cat([condition, prediction], dim=1)
        whole = partial(self.restore, variant=variant, generators=generators)
        predict = TiledPrediction(self.predict, condition, variant, whole)
        start = self.line(condition).start(noise())
        x0 = straight_line.euler(lambda x, t: predict(x, t).clamp(-1, 1), start, variant.steps)
        return (x0 + 1) / 2

    def evaluations(self, variant: Variant) -> int:
        return variant.steps + (self.parameters.start == "prediction")
