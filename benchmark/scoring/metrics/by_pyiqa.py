"""Metrics of the pyiqa package that compare with a target: MS-SSIM, FSIM, VIF, GMSD, DISTS."""

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmark.scoring.metrics.pyiqa_package import check_size, check_weights, network, value_of

# pyiqa's names, with the smallest side for which each metric is defined. MS-SSIM: the 11x11 window
# must fit after the image is halved four times. VIF and FSIM: the filter banks must fit. DISTS:
# VGG16 pools four times.
SMALLEST = {"ms_ssim": 161, "fsim": 11, "vif": 65, "gmsd": 6, "dists": 16}
# The files that pyiqa reads for DISTS, in torch's folder of downloaded files.
DISTS_FILES = ("checkpoints/vgg16-397923af.pth", "pyiqa/DISTS_weights-f5e65c96.pth")
GET_DISTS = (
    "run 'python -c \"import pyiqa; pyiqa.create_metric('dists')\"' once on a machine with a "
    "network"
)


def by_pyiqa(name: str) -> Callable[[np.ndarray, np.ndarray], float]:
    """The function (restored, target) of pyiqa's metric `name`, with pyiqa's own settings.

    It takes uint8 (H, W, 3) and computes on the CPU. It raises UndefinedMetric if a side is below
    `SMALLEST` or the value is not finite; WeightsMissing if pyiqa would have to download weights.
    """
    return functools.partial(_score, name)


def _score(name: str, restored: np.ndarray, target: np.ndarray) -> float:
    check_size(name, restored, SMALLEST[name])
    if name == "dists":
        _check_dists()
    return value_of(name, network(name), restored, target)


def _check_dists() -> None:
    """Raise WeightsMissing if a file is missing that pyiqa would download for DISTS."""
    import torch

    for file in DISTS_FILES:
        check_weights("DISTS", Path(torch.hub.get_dir()) / file, GET_DISTS)
