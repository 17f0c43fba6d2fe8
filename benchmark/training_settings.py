"""How a model is trained; apart from the training itself, so that planning needs no torch."""

from typing import Literal

from pydantic import Field

from benchmark.method import Settings


class Training(Settings):
    """Gradient steps, batch and crop (pixels), AdamW's learning rate (linear warm-up, cosine decay)
    and betas, gradient clipping (norm), EMA decay, arithmetic, loader processes, and a checkpoint
    every so many seconds.
    """

    steps: int = Field(default=500, ge=1)
    batch: int = Field(default=4, ge=1)
    crop: int = Field(default=128, ge=16)
    learning_rate: float = Field(default=3e-3, gt=0)
    betas: tuple[float, float] = (0.9, 0.99)
    warmup: int = Field(default=20, ge=0)
    clip: float = Field(default=1.0, gt=0)
    ema: float = Field(default=0.995, ge=0, lt=1)
    precision: Literal["no", "bf16", "fp16"] = "no"
    workers: int = Field(default=1, ge=0)
    checkpoint_seconds: float = Field(default=60, gt=0)
