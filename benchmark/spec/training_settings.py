"""How a model is trained; apart from the training itself, so that planning needs no torch."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from benchmark.spec.method import Settings


class Stage(Settings):
    """A share of the gradient steps, with its batch (pairs) and crop (side of a pair, pixels)."""

    share: float = Field(gt=0, le=1)
    batch: int = Field(ge=1)
    crop: int = Field(ge=16)


class Training(Settings):
    """Gradient steps and their stages, optimiser (`muon`: AdamW for biases and gains), learning
    rate (linear warm-up, cosine decay), AdamW's betas, gradient clipping (norm), EMA decay, parts
    that a batch is computed in (gradient accumulation), arithmetic, whether torch compiles the
    network, loader processes, and a checkpoint every so many seconds.

    Stages go from many small crops, whose variety teaches fast, to few large ones, whose context
    tells a hazy scene from a pale one (progressive learning, Zamir et al., 2022, section 4).
    """

    steps: int = Field(default=500, ge=1)
    stages: tuple[Stage, ...] = Field(
        default=(Stage(share=0.6, batch=16, crop=64), Stage(share=0.4, batch=4, crop=128)),
        min_length=1,
    )
    optimizer: Literal["muon", "adamw"] = "muon"
    learning_rate: float = Field(default=3e-3, gt=0)
    betas: tuple[float, float] = (0.9, 0.99)
    warmup: int = Field(default=20, ge=0)
    clip: float = Field(default=1.0, gt=0)
    ema: float = Field(default=0.995, ge=0, lt=1)
    accumulate: int = Field(default=1, ge=1)
    precision: Literal["no", "bf16", "fp16"] = "no"
    compile: bool = False
    workers: int = Field(default=1, ge=0)
    checkpoint_seconds: float = Field(default=60, gt=0)

    @field_validator("precision", mode="before")
    @classmethod
    def _no_is_a_word(cls, precision: object) -> object:
        """YAML reads a bare `no` as false."""
        return "no" if precision is False else precision

    @field_validator("stages")
    @classmethod
    def _shares_make_one(cls, stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
        total = sum(stage.share for stage in stages)
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the shares of the stages must sum to 1, not {total:g}")
        return stages

    @model_validator(mode="after")
    def _batches_divide(self) -> "Training":
        for stage in self.stages:
            if stage.batch % self.accumulate:
                raise ValueError(
                    f"accumulate: a batch of {stage.batch} cannot be cut into {self.accumulate} "
                    "equal parts"
                )
        return self

    def stage_steps(self) -> list[tuple[Stage, int, int]]:
        """Each stage with its first step and the step after its last; the last ends at `steps`."""
        ends, done = [], 0.0
        for stage in self.stages:
            done += stage.share
            ends.append(round(done * self.steps))
        return list(zip(self.stages, [0, *ends[:-1]], ends, strict=True))
