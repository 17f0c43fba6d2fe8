"""The image-conditional diffusion model: DDPM/DDIM with the degraded image as condition."""

from fractions import Fraction

import torch
from torch import Tensor, nn

from benchmark import Card, LearnedMethod, UserError
from methods.diffusion.conditional import (
    TiledPrediction,
    noise_source,
    normal_like,
    share_of,
    training_noise,
)
from methods.diffusion.conditional_settings import (
    Parameters,
    Variant,
    sampling_times,
    schedule_of,
    training_times,
)
from methods.diffusion.patches import PatchPrediction, pad_to_patch
from methods.diffusion.preconditioning import residual_estimate
from methods.diffusion.samplers import SAMPLERS
from methods.diffusion.targets import from_x0, to_x0
from methods.diffusion.timesteps import noised_start, surplus_warning, untrained_warning
from methods.diffusion.weighting import WEIGHTINGS
from methods.networks.losses import LOSSES


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

        noise = noise_source(condition, generators)

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
        if surplus := surplus_warning(variant.steps, schedule.T):
            return surplus
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
