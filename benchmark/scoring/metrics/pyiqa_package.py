"""What all metrics of the pyiqa package share: building one, and asking it for a value.

torch and pyiqa are imported on first use: that takes seconds, and other metrics do not need them.
pyiqa's licences (PolyForm Noncommercial 1.0.0, parts under S-Lab 1.0) do not allow commercial use.
"""

import functools
import math
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.core.errors import UserError, WeightsMissing
from benchmark.core.paths import shown
from benchmark.scoring.metrics.checks import UndefinedMetric


def check_size(title: str, image: np.ndarray, least: int) -> None:
    """Raise UndefinedMetric, with the metric's title, if a side of (H, W, 3) is below `least`."""
    height, width = image.shape[:2]
    if min(height, width) < least:
        raise UndefinedMetric(
            f"{title} needs {least}x{least} pixels, the image has {width}x{height}"
        )


def check_weights(title: str, file: Path, remedy: str) -> None:
    """Raise WeightsMissing, with the metric's title and what to do, if a weight file is missing."""
    if not file.is_file():
        raise WeightsMissing(f"{title} needs {shown(file)}: {remedy}.")


@functools.cache
def network(name: str) -> Callable[..., Any]:
    """As `build`, with all of pyiqa's own settings; built once in a process."""
    return build(name)


def build(name: str, **options: Any) -> Callable[..., Any]:
    """pyiqa's metric `name` on the CPU, with pyiqa's own settings where `options` has no other.

    Raises UserError if pyiqa is not installed, or if a file that it has downloaded is damaged.
    """
    pyiqa = _import_pyiqa()
    import torch

    try:
        # Some networks start from random weights: this must not change the caller's random state.
        with torch.random.fork_rng(devices=[]):
            return pyiqa.create_metric(name, device="cpu", **options)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise UserError(
            f"pyiqa cannot build '{name}' ({error}). Delete its files below "
            f"{shown(Path(torch.hub.get_dir()))} and get them again."
        ) from error


def value_of(title: str, metric: Callable[..., Any], *images: np.ndarray) -> float:
    """The value of a metric from `build` for images, uint8 (H, W, 3).

    Raises UndefinedMetric, with the metric's title, if the value is not finite.
    """
    import torch

    with torch.inference_mode(), warnings.catch_warnings():
        # A warning about fewer than two blocks with texture: then the value is not finite.
        warnings.filterwarnings("ignore", message="cov")
        try:
            value = float(metric(*map(_tensor, images)).item())
        except torch.linalg.LinAlgError:
            value = math.nan
    if not math.isfinite(value):
        raise UndefinedMetric(f"{title} is not defined for an image with so little texture")
    return value


def _tensor(image: np.ndarray) -> Any:
    """uint8 (H, W, 3) as a float32 tensor (1, 3, H, W) in [0, 1]."""
    import torch

    planes = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
    return planes[None].to(torch.float32) / 255


def _import_pyiqa() -> Any:
    """The package. UserError, with what to do, if it is not installed."""
    try:
        import pyiqa
    except ModuleNotFoundError as error:
        if error.name != "pyiqa":
            raise
        raise UserError(
            "The protocols no-reference, pyiqa and dists need the package pyiqa, which is not "
            "installed. Leave them out of 'protocols', or install it: '.venv/bin/pip install "
            "--no-deps --require-hashes -r requirements/run.lock', or beside the installed command "
            "'pip install pyiqa' (docs/licences.md)."
        ) from error
    return pyiqa
