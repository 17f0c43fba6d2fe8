"""The optimiser, the learning rate of each step, and the moving average of the weights."""

from collections.abc import Callable

import torch
from pytorch_optimizer import Muon
from torch import Tensor

from benchmark.spec.training_settings import Training


def build_optimizer(network: torch.nn.Module, settings: Training) -> torch.optim.Optimizer:
    """The optimiser for all parameters of a network.

    `muon`: Muon (Jordan, 2024; step sizes by Liu et al., 2025) for parameters of two dimensions or
    more, AdamW for biases and gains. `adamw`: AdamW for all (Loshchilov and Hutter, 2019).
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


def learning_rate(settings: Training) -> Callable[[int], float]:
    """The factor of the learning rate as a function of the step (from 0).

    A linear warm-up, then half a cosine down to zero at the last step.
    """

    def factor(step: int) -> float:
        if step < settings.warmup:
            return (step + 1) / settings.warmup
        done = (step - settings.warmup) / max(settings.steps - settings.warmup, 1)
        return 0.5 * (1 + torch.cos(torch.tensor(done * torch.pi)).item())

    return factor


def warming_average(decay: float) -> Callable[[list[Tensor], list[Tensor], Tensor | int], None]:
    """The update of an exponential moving average, in place, for torch's AveragedModel.

    After `count` updates the decay is min(decay, (1 + count) / (10 + count)). It starts at 0.1, so
    the initial weights are soon forgotten.
    """

    @torch.no_grad()
    def update(averages: list[Tensor], current: list[Tensor], count: Tensor | int) -> None:
        count = int(count)
        torch._foreach_lerp_(averages, current, 1 - min(decay, (1 + count) / (10 + count)))

    return update
