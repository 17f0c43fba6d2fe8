"""Metrics of the pyiqa package that compare with a target: MS-SSIM, FSIM, VIF, GMSD, DISTS.

torch and pyiqa are imported on first use: that takes seconds, and other metrics do not need them.
pyiqa's licences (PolyForm Noncommercial 1.0.0, parts under S-Lab 1.0) do not allow commercial use.
"""

import functools
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.core.errors import UserError, WeightsMissing
from benchmark.core.paths import shown
from benchmark.scoring.metrics.checks import UndefinedMetric, pyiqa_needed

# pyiqa's names, with the smallest side for which each metric is defined. MS-SSIM: the 11x11 window
# must fit after the image is halved four times. VIF and FSIM: the filter banks must fit. DISTS:
# VGG16 pools four times.
SMALLEST = {"ms_ssim": 161, "fsim": 11, "vif": 65, "gmsd": 6, "dists": 16}
# The files that pyiqa reads for DISTS, in torch's folder of downloaded files.
DISTS_FILES = ("checkpoints/vgg16-397923af.pth", "pyiqa/DISTS_weights-f5e65c96.pth")


def by_pyiqa(name: str) -> Callable[[np.ndarray, np.ndarray], float]:
    """The function (restored, target) of pyiqa's metric `name`, with pyiqa's own settings.

    It takes uint8 (H, W, 3) and computes on the CPU. It raises UndefinedMetric if a side is below
    `SMALLEST` or the value is not finite; WeightsMissing if pyiqa would have to download weights.
    """
    return functools.partial(_score, name)


def _score(name: str, restored: np.ndarray, target: np.ndarray) -> float:
    height, width = restored.shape[:2]
    least = SMALLEST[name]
    if min(height, width) < least:
        raise UndefinedMetric(
            f"{name} needs {least}x{least} pixels, the image has {width}x{height}"
        )
    if name == "dists":
        _check_dists()
    import torch

    with torch.inference_mode():
        value = float(_network(name)(_tensor(restored), _tensor(target)).item())
    if not math.isfinite(value):
        raise UndefinedMetric(f"{name} is not defined for an image with so little texture")
    return value


def _tensor(image: np.ndarray) -> Any:
    """uint8 (H, W, 3) as a float32 tensor (1, 3, H, W) in [0, 1]."""
    import torch

    planes = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
    return planes[None].to(torch.float32) / 255


def _check_dists() -> None:
    """Raise WeightsMissing if a file is missing that pyiqa reads for DISTS."""
    import torch

    for file in DISTS_FILES:
        path = Path(torch.hub.get_dir()) / file
        if not path.is_file():
            raise WeightsMissing(
                f"DISTS needs {shown(path)}: run 'python -c \"import pyiqa; "
                "pyiqa.create_metric('dists')\"' once on a machine with a network."
            )


@functools.cache
def _network(name: str) -> Any:
    with pyiqa_needed():
        import pyiqa
    import torch

    try:
        # Some networks start from random weights: this must not change the caller's random state.
        with torch.random.fork_rng(devices=[]):
            return pyiqa.create_metric(name, device="cpu")
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise UserError(
            f"pyiqa cannot build '{name}' ({error}). Delete its files below "
            f"{shown(Path(torch.hub.get_dir()))} and get them again."
        ) from error
