"""The published way of sampling against ours, with the same weights on the same images.

Published (Özdenizci and Legenstein, 2023, algorithm 2, with the settings of the authors' code):
64×64 patches, 16 pixels apart, whose predictions are averaged at every step of DDIM; 25 steps by
default. Ours evaluates an image whole, or on tiles where it is larger than one.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmark.core.errors import UserError, WeightsMissing
from benchmark.core.image_io import read_image
from benchmark.core.seeds import torch_generator
from benchmark.profiling.timing import stopped
from benchmark.restoring import dataset
from benchmark.results.layout import RunFolder
from benchmark.scoring.metrics import metrics_of
from benchmark.spec.build import build
from benchmark.spec.method import LearnedMethod
from benchmark.spec.run_config import Config
from methods.diffusion.patches import pad_to_patch, patch_mean
from methods.diffusion.samplers import ddim
from methods.diffusion.schedule import uniform_timesteps
from methods.diffusion.targets import to_x0
from methods.weatherdiff import published_timesteps

METHOD = "conditional_diffusion"
PATCH, STRIDE, PATCH_BATCH = 64, 16, 16
STEPS, PUBLISHED_STEPS = 4, 25

Restore = Callable[[Tensor, torch.Generator], Tensor]
Pair = tuple[Path, Path]  # degraded, target


@dataclass(frozen=True)
class Gains:
    """Ours over theirs, each better the larger: ratio of the median seconds an image, and mean
    differences of PSNR (rgb) in dB and of LPIPS."""

    speedup: float
    psnr_gain_db: float
    lpips_gain: float


def trained(config: Config, run: RunFolder, machine: torch.device) -> tuple[LearnedMethod, str]:
    """A run's first entry of the conditional diffusion model with its weights, and its label.

    Raises UserError if the run has none, WeightsMissing if it is not trained yet.
    """
    labels = [label for label in config.methods if config.method_of(label) == METHOD]
    if not labels:
        raise UserError(f"the run '{config.name}' has no entry of {METHOD}: use another --config")
    label = labels[0]
    seed = config.seeds_of(label)[0]
    file = run.training(label, seed) / "weights.safetensors"
    if not file.exists():
        raise WeightsMissing(
            f"{file} is missing: run 'make benchmark', or "
            f"'python -m benchmark train --method {label} --seed {seed}' with this --config"
        )
    method = build(config, label, seed)
    dataset.ready(method, file, machine)
    return method, label


def sampler_gains(method: LearnedMethod, images: Sequence[Pair]) -> Gains:
    """Patches against the whole image: DDIM with the same few steps."""
    times = uniform_timesteps(method.schedule.T, STEPS)
    return gains(method, times, method.Variant(sampler="ddim", steps=STEPS), images)


def default_gains(method: LearnedMethod, variant: dict, images: Sequence[Pair]) -> Gains:
    """The published default against a variant of ours (its settings)."""
    T = method.schedule.T
    if T % PUBLISHED_STEPS:
        raise UserError(f"the published times need a T that {PUBLISHED_STEPS} divides, not {T}")
    times = published_timesteps(T, PUBLISHED_STEPS)
    return gains(method, times, method.Variant(**variant), images)


def gains(method: LearnedMethod, times: Sequence[int], variant, images: Sequence[Pair]) -> Gains:
    """Restore every image both ways from the same noise; the first calls are not counted."""

    def ours(degraded: Tensor, generator: torch.Generator) -> Tensor:
        return method.restore(degraded, variant, [generator])

    def theirs(degraded: Tensor, generator: torch.Generator) -> Tensor:
        return restore_by_patches(method, degraded, times, generator)

    first = dataset.read_tensor(images[0][0], method.device)
    with torch.inference_mode():
        ours(first, torch_generator("profile"))
        restore_by_patches(method, first, times[-1:], torch_generator("profile"))
    own = [measure(ours, *pair, method.device) for pair in images]
    published = [measure(theirs, *pair, method.device) for pair in images]
    own_seconds, own_psnr, own_lpips = np.array(own).T
    seconds, psnr, lpips = np.array(published).T
    return Gains(
        speedup=statistics.median(seconds) / statistics.median(own_seconds),
        psnr_gain_db=float(np.mean(own_psnr - psnr)),
        lpips_gain=float(np.mean(lpips - own_lpips)),
    )


def measure(
    restore: Restore, degraded: Path, target: Path, machine: torch.device
) -> tuple[float, float, float]:
    """Seconds, PSNR (rgb) and LPIPS of restoring one image, scored as saved, in 8 bits."""
    x, results = dataset.read_tensor(degraded, machine), []
    generator = torch_generator("profile", degraded.parent.name, degraded.stem)
    with torch.inference_mode():
        seconds = stopped(lambda: results.append(restore(x, generator)), machine)
    pixels, wanted = dataset.to_pixels(results[0]), read_image(target)
    metrics = {metric.name: metric for metric in metrics_of(["rgb", "lpips-alex"])}
    return seconds, metrics["psnr"](pixels, wanted), metrics["lpips"](pixels, wanted)


def restore_by_patches(
    method: LearnedMethod, degraded: Tensor, times: Sequence[int], generator: torch.Generator
) -> Tensor:
    """The published sampler with a conditional diffusion model of ours; (1, 3, H, W) in [0, 1].

    The network's prediction is what is averaged. As in our own sampling, estimates of x0 are kept
    to the range of an image, so that patches are the only difference.
    """
    height, width = degraded.shape[-2:]
    condition, schedule = pad_to_patch(2 * degraded - 1, PATCH), method.schedule

    def denoise(x_t: Tensor, t: int) -> Tensor:
        def predict(patches: Tensor) -> Tensor:
            times = torch.full((len(patches),), t, device=patches.device)
            return method.predict(*patches.split(3, dim=1), times)

        inputs = torch.cat([condition, x_t], dim=1)
        prediction = patch_mean(predict, inputs, PATCH, STRIDE, PATCH_BATCH)
        signal, sigma = schedule.signal(t), schedule.noise(t)
        return to_x0(method.parameters.target, prediction, x_t, signal, sigma).clamp(-1, 1)

    def noise() -> Tensor:
        return torch.randn(condition.shape, generator=generator).to(condition)

    restored = (ddim(denoise, noise(), schedule, times, noise) + 1) / 2
    return restored[..., :height, :width]
