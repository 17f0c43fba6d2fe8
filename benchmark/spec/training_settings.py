"""The settings of a training. Kept apart from the training, so that planning needs no torch."""

from itertools import accumulate
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from benchmark.spec.method import Settings

DECODED_BYTES = 2 * 2**30


class Stage(Settings):
    """A part of the training: its length, its batch and its crop.

    `share`: of all gradient steps, in (0, 1], for the schedule `cosine`. `steps`: gradient steps,
    for the schedule `constant`; the last stage has none and takes what is left. `batch`: pairs per
    gradient step, of all processes together. `crop`: side of a square crop, in pixels.
    """

    share: float | None = Field(default=None, gt=0, le=1)
    steps: int | None = Field(default=None, ge=1)
    batch: int = Field(ge=1)
    crop: int = Field(ge=16)

    def pair_bytes(self, parts: int) -> int:
        """Bytes of the pairs, float32 RGB twice, of one of `parts` equal parts of a batch."""
        return 24 * self.crop**2 * self.batch // parts


class Execution(Settings):
    """Settings of a training that cannot change its weights; an edit of them re-runs nothing.

    `workers`: processes that load data, for each process. `log_steps`: steps between two rows of
    the training curve; the loss is checked, and a checkpoint written, only then.
    `checkpoint_seconds`: least time between two checkpoints. `decoded_gib`: of the disk, for
    training images that are decoded once, in `.cache/decoded/`; a set that is larger is decoded at
    each use beyond that.
    """

    workers: int = Field(default=1, ge=0)
    log_steps: int = Field(default=10, ge=1)
    checkpoint_seconds: float = Field(default=60, gt=0)
    decoded_gib: float = Field(default=2, ge=0)


class Training(Execution):
    """All settings of a training.

    `steps`: gradient steps, divided into `stages`. `optimizer`: `muon` uses AdamW for biases and
    gains. `learning_rate`: its peak, after a linear warm-up of `warmup` steps. `schedule`: how it
    falls to zero: half a `cosine` to the last step, or `constant` and then linearly in the last
    `decay_steps`. Only a `constant` training can go on to more steps: the state before its decay is
    kept, and a training with other `steps` and `decay_steps` alone starts from there. `betas`: of
    AdamW. `clip`: largest norm of the gradient. `ema`: decay of the moving average of the weights.
    `accumulate`: number of equal parts in which a batch is computed (gradient accumulation).
    `precision`: arithmetic, `no` for float32; `auto` is `bf16` on a device that has it natively,
    else `no`. `compile`: whether torch compiles the network. `threads`: of each process on a CPU.
    Also those of `Execution`.

    The default stages go from many small crops, which are varied and cheap, to few large ones,
    which have the context to distinguish a hazy scene from a pale one (progressive learning, Zamir
    et al., 2022, section 4).
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
    schedule: Literal["cosine", "constant"] = "cosine"
    decay_steps: int = Field(default=100, ge=1)
    clip: float = Field(default=1.0, gt=0)
    ema: float = Field(default=0.995, ge=0, lt=1)
    accumulate: int = Field(default=1, ge=1)
    precision: Literal["auto", "no", "bf16", "fp16"] = "auto"
    compile: bool = False
    threads: int = Field(default=1, ge=1)

    @field_validator("precision", mode="before")
    @classmethod
    def _read_false_as_no(cls, precision: object) -> object:
        """YAML reads `no` without quotes as false."""
        return "no" if precision is False else precision

    @model_validator(mode="after")
    def _check_lengths(self) -> "Training":
        shares, steps = ([getattr(s, key) for s in self.stages] for key in ("share", "steps"))
        if self.schedule == "cosine":
            if None in shares or any(steps):
                raise ValueError(
                    "stages: with schedule 'cosine', each stage has 'share', not 'steps'"
                )
            if abs(sum(shares) - 1) > 1e-6:
                raise ValueError(f"stages: the shares must sum to 1, not {sum(shares):g}")
            return self
        if any(shares) or None in steps[:-1] or steps[-1]:
            raise ValueError(
                "stages: with schedule 'constant', each stage but the last has 'steps', and none "
                "has 'share'"
            )
        if self.warmup > self.branch:
            raise ValueError(f"decay_steps: the decay starts at step {self.branch}, in the warm-up")
        return self

    @model_validator(mode="after")
    def _check_batches(self) -> "Training":
        for stage in self.stages:
            if stage.batch % self.accumulate:
                raise ValueError(
                    f"accumulate: a batch of {stage.batch} cannot be cut into {self.accumulate} "
                    "equal parts"
                )
        return self

    @property
    def branch(self) -> int:
        """The step before which the state of a training with a `constant` schedule is kept."""
        return self.steps - self.decay_steps

    def deciding(self) -> dict[str, Any]:
        """The settings that can change the weights, as JSON values."""
        return self.model_dump(mode="json", exclude=set(Execution.model_fields))

    def stage_steps(self) -> list[tuple[Stage, int, int]]:
        """Each stage with its first step and the step after its last; the last ends at `steps`."""
        if self.schedule == "cosine":
            ends = [round(done * self.steps) for done in accumulate(s.share for s in self.stages)]
        else:
            done = accumulate(stage.steps for stage in self.stages[:-1])
            ends = [*(min(end, self.steps) for end in done), self.steps]
        return list(zip(self.stages, [0, *ends[:-1]], ends, strict=True))
