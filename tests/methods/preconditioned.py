"""Networks that give a preconditioned method a chosen estimate of the clean image."""

from collections.abc import Callable

import torch
from torch import Tensor

Coefficients = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class Network(torch.nn.Module):
    """Replaces a method's network by a function of its inputs."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x, t=None):
        return self.function(x, t)


def estimating(
    function: Callable[[Tensor, Tensor, Tensor], Tensor],
    coefficients: Coefficients,
    deviation: float,
    base: Callable[[Tensor], Tensor] = lambda condition: condition[:, -3:],
    noise_seen: bool = False,
) -> Network:
    """The network with which x̂0 is function(condition, x_t, t).

    coefficients(t, like) -> signal a and noise b > 0 at the network's times t, as (B, 1, 1, 1); at
    the end of a bridge both are 0. base: of the condition; x_t must be base + a r + b ε (on a line
    to noise alone only where the base is 0, or for a function without x_t). Where a = 0, x_t is not
    to be found in the network's input: the function gets the base. noise_seen: as in
    `residual_estimate`.
    """

    def answer(x: Tensor, t: Tensor) -> Tensor:
        condition, seen = x[:, :-3], x[:, -3:]
        known = base(condition)
        a, b = coefficients(t, x)
        d = ((a * deviation) ** 2 + b**2).sqrt().clamp(min=1e-30)
        correlation = a * deviation / d
        u = seen if noise_seen else seen / correlation.clamp(min=1e-30)
        rest = torch.where(a + b > 0, b / d, 1)
        x0 = function(condition, known + d * u, t)
        return ((x0 - known) / deviation - correlation * u) / rest

    return Network(answer)


def of_process(process) -> Coefficients:
    """Of residual shifting, the SDE or the bridge."""
    return lambda t, like: process.coefficients((t * process.T).round().long(), like)


def of_schedule(schedule, scale: float = 1.0) -> Coefficients:
    """Of a noise schedule, whose noise is multiplied by `scale`."""

    def coefficients(t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        signal, noise = schedule.coefficients((t * schedule.T).round().long(), like)
        return signal, scale * noise

    return coefficients


def of_line(sigma: float | None) -> Coefficients:
    """Of the straight line to base + sigma ε, or to ε; `t` may be a column of several."""

    def coefficients(t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        t = t.reshape(len(t), -1)[:, 0].view(-1, 1, 1, 1).to(like)
        return 1 - t, t * (1 if sigma is None else sigma)

    return coefficients
