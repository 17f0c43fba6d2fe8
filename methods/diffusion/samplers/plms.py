"""PLMS: a linear multistep method on the noise estimates."""

from collections.abc import Sequence

from torch import Tensor

from methods.diffusion.samplers.heun import heun_step
from methods.diffusion.samplers.steps import Denoise, Noise, pairs, step_towards
from methods.diffusion.schedule import Schedule
from methods.diffusion.targets import to_epsilon

# Adams and Bashforth's weights, the newest value first, for each number of values.
ADAMS_BASHFORTH = {
    1: (1.0,),
    2: (3 / 2, -1 / 2),
    3: (23 / 12, -16 / 12, 5 / 12),
    4: (55 / 24, -59 / 24, 37 / 24, -9 / 24),
}


def plms(
    denoise: Denoise, x: Tensor, schedule: Schedule, timesteps: Sequence[int], noise: Noise
) -> Tensor:
    """Pseudo linear multistep sampling (Liu et al., 2022, equations 9 and 12), second order.

    DDIM's step with ε extrapolated from up to four times by Adams and Bashforth's weights. These
    are exact for evenly spaced times; with others the order is lower.

    The first step is a step of Heun's method, as the pseudo improved Euler step of the paper's
    S-PNDM. The next steps have weights for two, three and four values. The paper's F-PNDM starts
    with three pseudo Runge-Kutta steps, which need 9 evaluations more at intermediate times, and is
    of second order too. N + 1 evaluations for N > 1 times.
    """
    history: list[Tensor] = []  # ε, newest first
    for t, s in pairs(timesteps):
        x0 = denoise(x, t)
        signal, sigma = schedule.signal(t), schedule.noise(t)
        history = [to_epsilon(x0, x, signal, sigma), *history[:3]]
        if len(history) == 1:
            x = heun_step(denoise, x, x0, schedule, t, s) if s > 0 else x0
            continue
        weights = ADAMS_BASHFORTH[len(history)]
        change = sum(w * e for w, e in zip(weights, history, strict=True)) - history[0]
        # Factor of ε in DDIM's step (13). It is finite, because only the first step can start at
        # ᾱ = 0.
        factor = schedule.noise(s) - schedule.signal(s) * sigma / signal
        x = step_towards(x, x0, schedule, t, s) + factor * change
    return x
