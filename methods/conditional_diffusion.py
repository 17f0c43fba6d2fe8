"""The image-conditional diffusion model: DDPM/DDIM with the degraded image as condition."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from benchmark.method import Card, LearnedMethod, Settings
from methods.diffusion.samplers import SAMPLERS
from methods.diffusion.schedule import SCHEDULES
from methods.diffusion.targets import Target, from_x0, to_x0
from methods.diffusion.timesteps import uniform
from methods.networks.any_size import tiled
from methods.networks.unet import UNet


class Parameters(Settings):
    """target: what the network predicts; T: number of times of the noise schedule; start_share:
    share of the training at t = T, where every sampler starts (the rest is at uniformly random
    times; 0 is equation 12); the rest is the size of the network, see `methods.networks.unet.UNet`.
    """

    target: Target = "x0"
    schedule: Literal["linear", "cosine"] = "linear"
    T: int = Field(default=1000, ge=1)
    start_share: float = Field(default=0.5, ge=0, le=1)
    width: int = 32
    multipliers: tuple[int, ...] = (1, 2, 3, 4)
    blocks: int = 1
    unshuffle: int = 2


class Variant(Settings):
    """sampler and steps (= NFE); eta: DDIM's share of fresh noise; tile, overlap: the largest
    square evaluated at once and the tiles' overlap, in pixels."""

    sampler: Literal["ddim", "ddpm"] = "ddim"
    steps: int = Field(default=4, ge=1)
    eta: float = Field(default=0.0, ge=0, le=1)
    tile: int = 768
    overlap: int = 64


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
        self.schedule = SCHEDULES[self.parameters.schedule](self.parameters.T)

    def build(self) -> nn.Module:
        size = self.parameters.model_dump(include={"width", "multipliers", "blocks", "unshuffle"})
        return UNet(in_channels=6, time=True, **size)

    def predict(self, condition: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """The network's prediction of its target: (B, 3, H, W) condition and x_t in the [-1, 1]
        scale, (B,) times. The condition comes first among the network's input channels.

        For x0 the network gives the correction of the degraded image, as in the regression: where
        there is no weather the answer is then zero.
        """
        prediction = self.network(torch.cat([condition, x_t], dim=1), t / self.schedule.T)
        return condition + prediction if self.parameters.target == "x0" else prediction

    def loss(self, clean: Tensor, degraded: Tensor, generator: torch.Generator) -> Tensor:
        """Equation (12) with the condition: E|target - prediction|^p at random times.

        p = 2 for ε and v, as published; p = 1 for x0, where the loss is the regression's.
        """
        x0, condition = 2 * clean - 1, 2 * degraded - 1
        t = torch.randint(1, self.schedule.T + 1, (len(x0),), generator=generator)
        t[torch.rand(len(x0), generator=generator) < self.parameters.start_share] = self.schedule.T
        epsilon = torch.randn(x0.shape, generator=generator).to(x0)
        signal, noise = self.schedule.coefficients(t, x0)
        prediction = self.predict(condition, signal * x0 + noise * epsilon, t.to(x0.device))
        error = prediction - from_x0(self.parameters.target, x0, epsilon, signal, noise)
        return error.abs().mean() if self.parameters.target == "x0" else error.square().mean()

    def restore(
        self, degraded: Tensor, variant: Variant, generators: list[torch.Generator]
    ) -> Tensor:
        condition = 2 * degraded - 1

        def noise() -> Tensor:
            shape = degraded.shape[1:]
            return torch.stack([torch.randn(shape, generator=g) for g in generators]).to(degraded)

        def denoise(x_t: Tensor, t: int) -> Tensor:
            """x̂0, kept to the range of an image, without which ε at t near T leads far astray."""

            def predict(inputs: Tensor) -> Tensor:
                times = torch.full((len(inputs),), t, device=inputs.device)
                return self.predict(inputs[:, :3], inputs[:, 3:], times)

            inputs = torch.cat([condition, x_t], dim=1)
            prediction = tiled(predict, inputs, variant.tile, variant.overlap)
            signal, sigma = self.schedule.signal(t), self.schedule.noise(t)
            return to_x0(self.parameters.target, prediction, x_t, signal, sigma).clamp(-1, 1)

        options = {"eta": variant.eta} if variant.sampler == "ddim" else {}
        times = uniform(self.schedule, variant.steps)
        sampler = SAMPLERS[variant.sampler].function
        return (sampler(denoise, noise(), self.schedule, times, noise, **options) + 1) / 2

    def evaluations(self, variant: Variant) -> int:
        return variant.steps

    def facts(self) -> dict[str, float | str]:
        """ᾱ_T: what is left of the image where sampling starts, and should be about 0."""
        return {"alpha_bar_T": self.schedule.alpha_bar[-1].item()}
