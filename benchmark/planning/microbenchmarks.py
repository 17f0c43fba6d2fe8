"""Measures the cost of one training step, one restored image and one scored image here.

The measurements are short, for `benchmark.planning.unit_costs`.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmark.core import device
from benchmark.core.flops import flop_counter
from benchmark.core.image_io import image_size
from benchmark.core.seeds import torch_generator
from benchmark.profiling.networks import random_pairs, training_step
from benchmark.profiling.timing import median_seconds, seconds_of
from benchmark.restoring.dataset import place
from benchmark.scoring.metrics import metrics_of
from benchmark.scoring.score import score_pair
from benchmark.spec.hollow import hollow
from benchmark.spec.method import LearnedMethod, Method, Settings
from benchmark.spec.training_settings import Stage, Training
from benchmark.training import step

SMALL = (64, 128)  # sides of the images on which FLOPs of methods without a network are counted
REPEATS = 3


def step_seconds(method: LearnedMethod, settings: Training, stage: Stage) -> float:
    """Seconds of a training step of one process, without the making of pairs: median of three."""
    machine = device.choose()
    method.network.to(machine, memory_format=torch.channels_last)
    part = stage.batch // settings.accumulate
    step = training_step(method, *random_pairs(part, stage.crop, machine), settings)
    threads = torch.get_num_threads()
    torch.set_num_threads(settings.threads)  # as in training
    try:
        return settings.accumulate * median_seconds(step, machine, REPEATS)
    finally:
        torch.set_num_threads(threads)


def training_flops(method: LearnedMethod, settings: Training) -> int:
    """FLOPs of a whole training, as `training.step.training_flops`; computes only if it must."""
    try:
        with hollow(method):
            return step.training_flops(method, settings)
    except Exception:  # the method does not only call its network
        return step.training_flops(method, settings)


def restoring_cost(method: Method, variant: Settings, size: tuple[int, int]) -> tuple[float, int]:
    """(seconds, FLOPs) of restoring one image of (width, height), after a first one."""
    machine = device.choose()
    place(method, machine)
    restore = _restoring(method, variant, size, machine)
    with flop_counter() as counter:
        restore()
    return seconds_of(restore, machine), counter.get_total_flops()


def restoring_flops(method: Method, variant: Settings, size: tuple[int, int]) -> float:
    """FLOPs of restoring one image of (width, height), without computing.

    For a learned method they are counted on the whole image, or on one `tile` of the variant if the
    image is larger; then the overlap of tiles does not count. For other methods they are
    extrapolated from two small images: a pixel costs a + b n in an image of n pixels.
    """
    pixels = math.prod(size)
    if isinstance(method, LearnedMethod):
        part = tuple(min(side, getattr(variant, "tile", side)) for side in size)
        return _count_flops(method, variant, part) * pixels / math.prod(part)
    small, large = (_count_flops(method, variant, (side, side)) / side**2 for side in SMALL)
    growth = (large - small) / (SMALL[1] ** 2 - SMALL[0] ** 2)
    return pixels * (small + growth * (pixels - SMALL[0] ** 2))


def _count_flops(method: Method, variant: Settings, size: tuple[int, int]) -> int:
    restore = _restoring(method, variant, size, torch.device("cpu"))
    with hollow(method), flop_counter() as counter:
        restore()
    return counter.get_total_flops()


def scoring_seconds(protocols: Sequence[str], size: tuple[int, int]) -> float:
    """Seconds of scoring one image of (width, height) by all protocols, after a first one."""
    metrics, rng = metrics_of(protocols), np.random.default_rng(0)
    restored, target = rng.integers(0, 256, (2, size[1], size[0], 3), dtype=np.uint8)
    return median_seconds(
        lambda: score_pair(restored, target, metrics), torch.device("cpu"), REPEATS
    )


def png_bytes_per_pixel(image: Path) -> float:
    """Bytes per pixel of an image saved as PNG, the format of restored images."""
    import cv2

    width, height = image_size(image)
    return len(cv2.imencode(".png", cv2.imread(str(image)))[1]) / (width * height)


def _restoring(
    method: Method, variant: Settings, size: tuple[int, int], machine: torch.device
) -> Callable[[], object]:
    width, height = size
    image = torch.rand(1, 3, height, width, generator=torch_generator("plan")).to(machine)
    targets = (image,) if method.sees_target else ()

    @torch.inference_mode()
    def restore() -> None:
        method.restore(image, variant, [torch_generator("plan")], *targets)

    return restore
