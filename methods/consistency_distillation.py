"""Consistency distillation: the result of a trained diffusion model in one or two evaluations."""

from functools import cached_property

import torch
from pydantic import Field
from torch import Tensor

from benchmark import Card, UserError
from methods.conditional_diffusion import ConditionalDiffusion
from methods.diffusion.conditional import TiledPrediction, noise_source, normal_like
from methods.diffusion.conditional_settings import Parameters as TeacherParameters
from methods.diffusion.conditional_settings import schedule_of
from methods.diffusion.schedule import on_device
from methods.diffusion.targets import to_x0
from methods.diffusion.timesteps import uniform, untrained_warning
from methods.networks.losses import restoration_error
from methods.networks.tile_settings import TileSettings


class Parameters(TeacherParameters):
    """times: of the teacher's sampler; the student learns to jump to the end of its path. The rest
    must be the teacher's parameters."""

    times: int = Field(default=4, ge=1)


class Variant(TileSettings):
    """steps (= NFE); the rest: tiles of large images, see
    `methods.networks.tile_settings.TileSettings`."""

    steps: int = Field(default=1, ge=1)


class ConsistencyDistillation(ConditionalDiffusion):
    card = Card(
        title="Consistency distillation",
        citation="Song, Dhariwal, Chen and Sutskever. Consistency Models. ICML 2023.",
        url="https://arxiv.org/abs/2303.01469",
        licence="MIT",
        supervision="paired",
        description="Learns to jump from any point of the sampling path of a trained diffusion "
        "model to the end of that path.",
    )
    Parameters = Parameters
    Variant = Variant

    teacher: ConditionalDiffusion | None = None

    @classmethod
    def variant_warnings(cls, parameters: Parameters, variant: Variant) -> list[str]:
        schedule = schedule_of(parameters)
        try:
            sampled = uniform(schedule, variant.steps)
        except ValueError as error:
            return [str(error)]
        advice = f"choose a number of steps that divides times: {parameters.times}"
        return untrained_warning(sampled, uniform(schedule, parameters.times), advice)

    @cached_property
    def times(self) -> Tensor:
        """The rising times of the teacher's path, from 0."""
        return torch.tensor([0, *reversed(uniform(self.schedule, self.parameters.times))])

    def learn_from(self, teacher: ConditionalDiffusion) -> None:
        """Start from the teacher's weights, and keep the teacher to follow its path.

        Raises UserError if the teacher is not a conditional diffusion model with the same
        parameters.
        """
        own = self.parameters.model_dump(exclude={"times"})
        if type(teacher) is not ConditionalDiffusion or teacher.parameters.model_dump() != own:
            raise UserError(
                "The teacher must be a conditional_diffusion entry with the same parameters."
            )
        self.network.load_state_dict(teacher.network.state_dict())
        self.teacher = teacher
        teacher.network.eval().requires_grad_(False)

    def loss(self, clean: Tensor, degraded: Tensor, generator: torch.Generator) -> Tensor:
        """Consistency distillation (Song et al., 2023, algorithm 2); d is the regression's error.

        d(f(x_t, y, t), stop-gradient f(x_s, y, s)): from x_t the teacher takes one DDIM step to
        x_s, and the student's estimates f of x0 at both points must agree. At s = 0 the teacher's
        estimate is used. The estimate at s comes from the student and not from a moving average of
        its weights (Song and Dhariwal, 2024, section 3). Raises UserError without a teacher.
        """
        if self.teacher is None:
            raise UserError(
                "consistency_distillation learns from another entry: set 'teacher' to its name."
            )
        self.teacher.network.to(clean.device)
        x0, condition = 2 * clean - 1, 2 * degraded - 1
        times = on_device(self.times, generator.device)
        place = torch.randint(1, len(times), (len(x0),), generator=generator, device=times.device)
        t, s = (times[index].to(x0.device) for index in (place, place - 1))
        epsilon = normal_like(x0, generator)
        x_t = self.schedule.diffuse(x0, t, epsilon)
        with torch.no_grad():
            teacher_x0 = self.estimate(self.teacher, condition, x_t, t).clamp(-1, 1)
            x_s = self._ddim_step(teacher_x0, x_t, t, s)
            student_x0 = self.estimate(self, condition, x_s, s.clamp(min=1)).clamp(-1, 1)
            at_end = (s == 0).view(-1, 1, 1, 1)
            target = torch.where(at_end, teacher_x0, student_x0)
        return restoration_error(self.estimate(self, condition, x_t, t), target)

    def estimate(
        self, model: ConditionalDiffusion, condition: Tensor, x_t: Tensor, t: Tensor
    ) -> Tensor:
        """x̂0 of a model, (B, 3, H, W) in the [-1, 1] scale, at times t (B,). It may lie outside:
        a limit would take the gradient from an estimate that does."""
        signal, noise = self.schedule.coefficients(t, x_t)
        prediction = model.predict(condition, x_t, t)
        return to_x0(self.parameters.target, prediction, x_t, signal, noise)

    def _ddim_step(self, x0: Tensor, x_t: Tensor, t: Tensor, s: Tensor) -> Tensor:
        """DDIM's step (Song, Meng and Ermon, 2021, equation 13) from times t to s, both (B,)."""
        signal, noise = self.schedule.coefficients(t, x_t)
        epsilon = (x_t - signal * x0) / noise
        return self.schedule.diffuse(x0, s, epsilon)

    def restore(
        self, degraded: Tensor, variant: Variant, generators: list[torch.Generator]
    ) -> Tensor:
        """Multistep consistency sampling (Song et al., 2023, algorithm 1).

        x̂0 from noise at t = T; then, for each further time, new noise is added to x̂0 and removed.
        """
        condition = 2 * degraded - 1
        predict = TiledPrediction(
            lambda c, x, t: self.estimate(self, c, x, t).clamp(-1, 1), condition, variant,
            lambda small: self.restore(small, variant, generators),
        )  # fmt: skip
        noise = noise_source(condition, generators)
        first, *others = uniform(self.schedule, variant.steps)
        x0 = predict(noise(), first)
        for t in others:
            x0 = predict(self.schedule.signal(t) * x0 + self.schedule.noise(t) * noise(), t)
        return (x0 + 1) / 2

    def evaluations(self, variant: Variant) -> int:
        return variant.steps
