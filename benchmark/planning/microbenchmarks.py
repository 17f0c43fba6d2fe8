"""What one unit of each kind of work costs on this machine: a training step, a restored image.

Measured in this process on as little work as tells, for `benchmark.planning.plan`.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmark.core import device
from benchmark.core.flops import flop_counter
from benchmark.core.image_io import image_size
from benchmark.core.seeds import torch_generator
from benchmark.profiling.networks import random_pairs, training_step
from benchmark.profiling.timing import seconds_of
from benchmark.scoring.metrics import metrics_of
from benchmark.scoring.score import score_pair
from benchmark.spec.hollow import hollow
from benchmark.spec.method import LearnedMethod, Method, Settings
from benchmark.spec.training_settings import Stage, Training
from benchmark.training import step

SMALL = (64, 128)  # sides of the images on which FLOPs of methods without a network are counted


def step_seconds(method: LearnedMethod, settings: Training, stage: Stage) -> float:
    """Seconds of a training step of one process, its pairs at hand: the median of three."""
    machine = device.choose()
    method.network.to(machine, memory_format=torch.channels_last)
    part = stage.batch // settings.accumulate
    step = training_step(method, *random_pairs(part, stage.crop, machine), settings)
    return settings.accumulate * _median(step, machine)


def learning_flops(method: LearnedMethod, settings: Training) -> int:
    """FLOPs of a whole training, as `training.training_flops`; its network computes nothing, unless
    the method uses it in another way than by calling it.
    """
    try:
        with hollow(method):
            return step.training_flops(method, settings)
    except Exception:
        return step.training_flops(method, settings)


def restoring_cost(method: Method, variant: Settings, size: tuple[int, int]) -> tuple[float, int]:
    """(seconds, FLOPs) of restoring one image of (width, height), once the first is done."""
    machine = device.choose()
    method.device = machine
    if isinstance(method, LearnedMethod):
        method.network.eval().to(machine, memory_format=torch.channels_last)
    restore = _restoring(method, variant, size, machine)
    with flop_counter() as counter:
        restore()
    return seconds_of(restore, machine), counter.get_total_flops()


def restoring_flops(method: Method, variant: Settings, size: tuple[int, int]) -> float:
    """FLOPs of restoring one image of (width, height).

    Of a learned method they are counted, its network computing nothing: on the whole image, or,
    where that is larger, on a part of the variant's `tile`, so that what tiles overlap is left out.
    Of others they come from two small images: a pixel costs a + b n in an image of n pixels.
    """
    pixels = math.prod(size)
    if isinstance(method, LearnedMethod):
        part = tuple(min(side, getattr(variant, "tile", side)) for side in size)
        return _counted(method, variant, part) * pixels / math.prod(part)
    small, large = (_counted(method, variant, (side, side)) / side**2 for side in SMALL)
    growth = (large - small) / (SMALL[1] ** 2 - SMALL[0] ** 2)
    return pixels * (small + growth * (pixels - SMALL[0] ** 2))


def _counted(method: Method, variant: Settings, size: tuple[int, int]) -> int:
    restore = _restoring(method, variant, size, torch.device("cpu"))
    with hollow(method), flop_counter() as counter:
        restore()
    return counter.get_total_flops()


def scoring_seconds(protocols: Sequence[str], size: tuple[int, int]) -> float:
    """Seconds of scoring one image of (width, height) in all protocols, once the first is done."""
    metrics, rng = metrics_of(protocols), np.random.default_rng(0)
    restored, target = rng.integers(0, 256, (2, size[1], size[0], 3), dtype=np.uint8)
    return _median(lambda: score_pair(restored, target, metrics), torch.device("cpu"))


def bytes_a_pixel(image: Path) -> float:
    """Bytes a pixel that an image takes as PNG, as restored images are saved."""
    import cv2

    width, height = image_size(image)
    return len(cv2.imencode(".png", cv2.imread(str(image)))[1]) / (width * height)


def _median(run: Callable[[], object], machine: torch.device) -> float:
    run()
    return statistics.median(seconds_of(run, machine) for _ in range(3))


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
