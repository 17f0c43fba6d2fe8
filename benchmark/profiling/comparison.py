"""Speed and quality of two variants of a trained method: the same weights on the same images."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmark.core.errors import UserError, WeightsMissing
from benchmark.core.image_io import read_image
from benchmark.core.seeds import torch_generator
from benchmark.profiling.timing import seconds_of
from benchmark.restoring import dataset
from benchmark.results.layout import RunFolder
from benchmark.scoring.metrics import metrics_of
from benchmark.spec.build import build
from benchmark.spec.method import LearnedMethod, Settings
from benchmark.spec.run_config import Config

Pair = tuple[Path, Path]  # degraded, target


@dataclass(frozen=True)
class Gains:
    """What a variant gains against another; larger is better for all.

    speedup: the other's median seconds per image over the variant's. psnr_gain_db: the mean
    difference of PSNR (rgb) in dB. lpips_gain: the mean difference of LPIPS, the other's minus the
    variant's.
    """

    speedup: float
    psnr_gain_db: float
    lpips_gain: float


def trained(config: Config, run: RunFolder, name: str, machine: torch.device) -> LearnedMethod:
    """The run's first entry of the method `name` with its weights, on the device.

    Raises UserError if the run has no such entry, WeightsMissing if it is not trained yet.
    """
    labels = [label for label in config.methods if config.method_of(label) == name]
    if not labels:
        raise UserError(f"the run '{config.name}' has no entry of {name}: use another --config")
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
    return method


def gains(
    method: LearnedMethod, variant: Settings, against: Settings, images: Sequence[Pair]
) -> Gains:
    """Restore every image with both variants, from the same noise."""
    first = dataset.read_tensor(images[0][0], method.device)
    for settings in (variant, against):
        _warm_up(method, settings, first)
    own_seconds, own_psnr, own_lpips = _measured(method, variant, images)
    seconds, psnr, lpips = _measured(method, against, images)
    return Gains(
        speedup=statistics.median(seconds) / statistics.median(own_seconds),
        psnr_gain_db=float(np.mean(own_psnr - psnr)),
        lpips_gain=float(np.mean(lpips - own_lpips)),
    )


def _warm_up(method: LearnedMethod, settings: Settings, degraded: torch.Tensor) -> None:
    """The first call, which is slower and is not counted; one step is enough."""
    if "steps" in type(settings).model_fields:
        settings = settings.model_copy(update={"steps": 1})
    with torch.inference_mode():
        method.restore(degraded, settings, [torch_generator("profile")])


def _measured(method: LearnedMethod, settings: Settings, images: Sequence[Pair]) -> np.ndarray:
    """(3, images): seconds, PSNR and LPIPS."""
    return np.array([measure(method, settings, *pair) for pair in images]).T


def measure(
    method: LearnedMethod, settings: Settings, degraded: Path, target: Path
) -> tuple[float, float, float]:
    """Seconds, PSNR (rgb, in dB) and LPIPS of one image, scored in 8 bits, as it would be saved."""
    x, results = dataset.read_tensor(degraded, method.device), []
    generator = torch_generator("profile", degraded.parent.name, degraded.stem)

    @torch.inference_mode()
    def restore() -> None:
        results.append(method.restore(x, settings, [generator]))

    seconds = seconds_of(restore, torch.device(method.device))
    restored, wanted = dataset.to_pixels(results[0]), read_image(target)
    metrics = {metric.name: metric for metric in metrics_of(["rgb", "lpips-alex"])}
    return seconds, metrics["psnr"](restored, wanted), metrics["lpips"](restored, wanted)
