"""The optimiser, the learning rate over the steps, and the moving average of the weights."""

import torch
from pytorch_optimizer import Muon
from torch import Tensor

from benchmark.spec.training_settings import Training


def build_optimizer(network: torch.nn.Module, settings: Training) -> torch.optim.Optimizer:
    """Muon (Jordan, 2024; step sizes by Liu et al., 2025) for weights of two dimensions or more and
    AdamW for biases and gains, or AdamW for all (Loshchilov and Hutter, 2019).
    """
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(
            network.parameters(), lr=settings.learning_rate, betas=settings.betas
        )
    matrices = [p for p in network.parameters() if p.ndim > 1]
    vectors = [p for p in network.parameters() if p.ndim <= 1]
    groups = [
        {"params": matrices, "use_muon": True, "use_adjusted_lr": True, "weight_decay": 0.01},
        {"params": vectors, "use_muon": False, "betas": settings.betas},
    ]
    groups = [{**group, "lr": settings.learning_rate} for group in groups if group["params"]]
    return Muon(groups)


def learning_rate(settings: Training):
    """Factor of the learning rate at a step: linear warm-up, then half a cosine down to zero."""

    def factor(step: int) -> float:
        if step < settings.warmup:
            return (step + 1) / settings.warmup
        done = (step - settings.warmup) / max(settings.steps - settings.warmup, 1)
        return 0.5 * (1 + torch.cos(torch.tensor(done * torch.pi)).item())

    return factor


def warming_average(decay: float):
    """Exponential moving average whose decay grows from 0.1, so that it soon forgets the start."""

    @torch.no_grad()
    def update(averages: list[Tensor], current: list[Tensor], count: Tensor | int) -> None:
        count = int(count)
        torch._foreach_lerp_(averages, current, 1 - min(decay, (1 + count) / (10 + count)))

    return update
