"""The optimiser, the learning rate of each step, and the moving average of the weights."""

import math
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytorch_optimizer
import torch
from pytorch_optimizer.optimizer.utils.matrix import zero_power_via_newton_schulz_5
from torch import Tensor, nn

from benchmark.core.device import native_bf16
from benchmark.spec.training_settings import Training

CONVOLUTIONS = (
    nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d,
)  # fmt: skip


class Muon(pytorch_optimizer.Muon):
    """pytorch_optimizer's Muon, whose iteration has the type of the group's key `ns_dtype`.

    Its own iteration is in bfloat16, which a processor without such arithmetic emulates: in the
    step of a NAFNet that took ten times as long as all the rest. torch.optim.Muon does the same,
    and takes no convolutions.
    """

    @staticmethod
    def _orthogonalize(group: dict[str, Any], updates: list[Tensor]) -> list[Tensor]:
        """All updates have one shape, but for the order of the two sides."""
        matrices = [update.flatten(1) for update in updates]
        upright = [len(matrix) > matrix[0].numel() for matrix in matrices]
        wide = [m.mT if turn else m for m, turn in zip(matrices, upright, strict=True)]
        result = zero_power_via_newton_schulz_5(
            torch.stack(wide),
            num_steps=group["ns_steps"],
            weights=group["ns_coeffs"],
            dtype=group["ns_dtype"],
        ).to(wide[0].dtype)
        return [m.mT if turn else m for m, turn in zip(result, upright, strict=True)]


def build_optimizer(network: nn.Module, settings: Training) -> torch.optim.Optimizer:
    """The optimiser for the parameters of a network, which is already on its device, but for those
    that are frozen.

    `muon`: Muon (Jordan, 2024; step sizes by Liu et al., 2025) for the weight matrices, AdamW for
    all other parameters. `adamw`: AdamW for all (Loshchilov and Hutter, 2019).
    """
    if settings.optimizer == "adamw":
        trained = [p for p in network.parameters() if p.requires_grad]
        return torch.optim.AdamW(trained, lr=settings.learning_rate, betas=settings.betas)
    matrices = [p for p in weight_matrices(network) if p.requires_grad]
    known = {id(matrix) for matrix in matrices}
    others = [p for p in network.parameters() if p.requires_grad and id(p) not in known]
    iteration = {"use_adjusted_lr": True, "ns_dtype": newton_schulz_dtype(network)}
    groups = [
        {"params": matrices, "use_muon": True, "weight_decay": 0.01, **iteration},
        {"params": others, "use_muon": False, "betas": settings.betas},
    ]
    groups = [{**group, "lr": settings.learning_rate} for group in groups if group["params"]]
    return Muon(groups)


def weight_matrices(network: nn.Module) -> list[nn.Parameter]:
    """The weights of linear layers, and of convolutions whose outputs see all input channels.

    Such a convolution's weight is a matrix (outputs, inputs × kernel); that of a transposed one is
    (inputs, outputs × kernel). Gains, position tables and depth-wise kernels may have as many
    dimensions, but are no matrices.
    """
    weights = {
        id(layer.weight): layer.weight
        for layer in network.modules()
        if isinstance(layer, nn.Linear) or (isinstance(layer, CONVOLUTIONS) and layer.groups == 1)
    }
    return [weight for weight in weights.values() if isinstance(weight, nn.Parameter)]


def newton_schulz_dtype(network: nn.Module) -> torch.dtype:
    """bfloat16 where the network's device multiplies it natively, else float32."""
    device = next(network.parameters()).device
    return torch.bfloat16 if native_bf16(device) else torch.float32


def learning_rate(settings: Training) -> Callable[[int], float]:
    """The factor of the learning rate as a function of the step (from 0).

    A linear warm-up. Then half a cosine down to zero at the last step; or, with the schedule
    `constant`, 1, and in the last `decay_steps` a line down to zero (warm-up, stable, decay: Hu et
    al., MiniCPM, 2024).
    """

    def factor(step: int) -> float:
        if step < settings.warmup:
            return (step + 1) / settings.warmup
        if settings.schedule == "constant":
            return min(1.0, (settings.steps - step) / settings.decay_steps)
        done = (step - settings.warmup) / max(settings.steps - settings.warmup, 1)
        return 0.5 * (1 + math.cos(done * math.pi))

    return factor


class MovingAverage:
    """An exponential moving average of a network's parameters, as a network, `module`.

    The first update copies the network. The decay of update n (from 0) is
    min(decay, (1 + n) / (10 + n)), so the initial weights are soon forgotten. Buffers are copied.
    It counts on the host: torch's AveragedModel reads its count from the device at every update,
    and a GPU then waits.
    """

    def __init__(self, network: nn.Module, decay: float):
        self.module = deepcopy(network).requires_grad_(False)
        self.decay, self.count = decay, 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move towards the network's present weights."""
        kept = min(self.decay, (1 + self.count) / (10 + self.count)) if self.count else 0.0
        current = [parameter.detach() for parameter in network.parameters()]
        torch._foreach_lerp_([*self.module.parameters()], current, 1 - kept)
        for own, buffer in zip(self.module.buffers(), network.buffers(), strict=True):
            own.copy_(buffer)
        self.count += 1

    def state_dict(self) -> dict[str, Any]:
        """The averages and their count."""
        return {"module": self.module.state_dict(), "count": self.count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a `state_dict`."""
        self.module.load_state_dict(state["module"])
        self.count = state["count"]
