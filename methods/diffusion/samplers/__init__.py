"""Samplers: from noise to an image, by a number of network evaluations.

All are plain functions with one signature:

    sampler(denoise, x, schedule, timesteps, noise, **options) -> x0

- denoise(x_t, t) -> x0: the denoiser's estimate of the clean image; x_t (B, C, H, W), t an int.
- x: x at the first of the times, (B, C, H, W); standard normal where that is T.
- timesteps: falling times, from the start of sampling; t = 0 follows the last.
- noise() -> standard normal tensor shaped like x, called once for every random step.

All raise ValueError for times that do not fall or do not stay above 0. docs/mathematics.md has the
equation and the order of each, and the equation numbers in brackets.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from benchmark import Alternatives
from methods.diffusion.samplers.ddim import ddim
from methods.diffusion.samplers.ddpm import ddpm
from methods.diffusion.samplers.dpm_solver import dpm_solver_2m, dpm_solver_2s, dpm_solver_3m
from methods.diffusion.samplers.heun import heun
from methods.diffusion.samplers.plms import plms
from methods.diffusion.samplers.unipc import unipc


def _one_per_step(steps: int) -> int:
    return steps


@dataclass(frozen=True)
class Sampler:
    """A sampler and its cost.

    function: as above. evaluations(steps) -> number of calls of `denoise` (NFE) for `steps` times.
    """

    function: Callable[..., Tensor]
    evaluations: Callable[[int], int] = _one_per_step


SAMPLERS: Alternatives[Sampler] = {
    "ddpm": Sampler(ddpm),
    "ddim": Sampler(ddim),
    "dpm-solver-2s": Sampler(dpm_solver_2s),
    "dpm-solver-2m": Sampler(dpm_solver_2m),
    "dpm-solver-3m": Sampler(dpm_solver_3m),
    "unipc": Sampler(unipc),
    "heun": Sampler(heun, lambda steps: 2 * steps - 1),
    "plms": Sampler(plms, lambda steps: steps + 1 if steps > 1 else 1),
}
