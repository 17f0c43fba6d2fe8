"""One training step, and the floating-point operations of a step and of a whole training."""

import torch
from accelerate import Accelerator
from torch import Tensor

from benchmark.core.flops import flop_counter
from benchmark.core.seeds import named_seed
from benchmark.spec.method import LearnedMethod
from benchmark.spec.training_settings import Training


def micro_step(
    method: LearnedMethod,
    clean: Tensor,
    degraded: Tensor,
    noise: torch.Generator,
    accelerator: Accelerator,
    optimizer: torch.optim.Optimizer,
    clip: float,
) -> Tensor:
    """Loss and gradients of a micro-batch; returns the loss, a scalar.

    clean, degraded: (B, 3, H, W) in [0, 1]. noise: the randomness of the loss, on their device.
    clip: the largest norm of the gradient. The last micro-batch of a batch also updates the
    weights.
    """
    with accelerator.accumulate(method.network):
        with accelerator.autocast():
            loss = method.loss(clean, degraded, noise)
        accelerator.backward(loss)
        if accelerator.sync_gradients:
            accelerator.clip_grad_norm_(method.network.parameters(), clip)
        optimizer.step()
        optimizer.zero_grad()
    return loss.detach()


def training_flops(method: LearnedMethod, settings: Training) -> int:
    """FLOPs of all forward and backward passes of a training.

    They are counted on one pair of each stage's size, or on as many as `method.pairs_counted`. The
    optimiser's FLOPs are left out.
    """
    total = 0
    for stage, first, end in settings.stage_steps():
        pairs = torch.zeros(method.pairs_counted, 3, stage.crop, stage.crop)
        total += step_flops(method, pairs, pairs) * stage.batch * (end - first)
    return total // method.pairs_counted


def step_flops(method: LearnedMethod, clean: Tensor, degraded: Tensor) -> int:
    """FLOPs of forward and backward on a batch of pairs, both (B, 3, H, W) in [0, 1]."""
    with flop_counter() as counter:
        generator = torch.Generator(clean.device).manual_seed(named_seed("flops"))
        method.loss(clean, degraded, generator).backward()
    method.network.zero_grad()
    return counter.get_total_flops()
