"""One training step, and the arithmetic that it and a whole training take."""

import torch
from torch import Tensor

from benchmark.core.flops import flop_counter
from benchmark.core.seeds import torch_generator
from benchmark.spec.method import LearnedMethod
from benchmark.spec.training_settings import Training


def training_flops(method: LearnedMethod, settings: Training) -> int:
    """FLOPs of the forward and backward passes of a whole training, in one process.

    Counted on one pair of each stage's size; the optimiser's own are left out.
    """
    total = 0
    for stage, first, end in settings.stage_steps():
        pair = torch.zeros(1, 3, stage.crop, stage.crop)
        total += step_flops(method, pair, pair) * stage.batch * (end - first)
    return total


def step_flops(method: LearnedMethod, clean: Tensor, degraded: Tensor) -> int:
    """FLOPs of forward and backward on a batch of pairs (B, 3, H, W)."""
    with flop_counter() as counter:
        method.loss(clean, degraded, torch_generator("flops")).backward()
    method.network.zero_grad()
    return counter.get_total_flops()


def learn(method, clean, degraded, noise, accelerator, optimizer, clip: float) -> Tensor:
    """Loss and gradients of a micro-batch; the last of a batch steps the optimiser."""
    with accelerator.accumulate(method.network):
        with accelerator.autocast():
            loss = method.loss(clean, degraded, noise)
        accelerator.backward(loss)
        if accelerator.sync_gradients:
            accelerator.clip_grad_norm_(method.network.parameters(), clip)
        optimizer.step()
        optimizer.zero_grad()
    return loss.detach()
