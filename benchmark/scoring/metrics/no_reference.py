"""NIQE and PIQE of the pyiqa package, which need no target."""

import functools
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.core.errors import UserError
from benchmark.core.paths import shown, where_the_data_come_from
from benchmark.scoring.metrics.checks import UndefinedMetric
from benchmark.scoring.metrics.definitions import WEIGHTS
from benchmark.scoring.metrics.pyiqa_package import (
    build,
    check_size,
    check_weights,
    network,
    value_of,
)

NIQE_WEIGHTS = WEIGHTS / "niqe_pris_params.npz"
BLOCK = 96  # NIQE's blocks; their covariance needs two of them
SMALLEST = 16  # PIQE's blocks
PRIOR = {"mu_pris_param": (1, 36), "cov_pris_param": (36, 36)}


def niqe(image: np.ndarray, weights: Path) -> float:
    """NIQE of a uint8 image (H, W, 3), at least 0; lower is closer to natural photographs.

    Mittal, Soundararajan and Bovik, "Making a 'completely blind' image quality analyzer", IEEE
    Signal Processing Letters 2013, on the grey image, in blocks of 96x96 pixels; the border that
    fills no block is left out. Computed in float64 on the CPU.

    weights: .npz file of the prior that the authors fitted to undistorted photographs.
    Raises WeightsMissing if that file is missing, UserError if it has other content,
    UndefinedMetric if the image has fewer than two blocks or blocks without texture.
    """
    height, width = image.shape[:2]
    if (height // BLOCK) * (width // BLOCK) < 2:
        raise UndefinedMetric(
            f"NIQE needs two blocks of {BLOCK}x{BLOCK} pixels, the image has {width}x{height}"
        )
    check_weights("NIQE", weights, where_the_data_come_from())
    return value_of("NIQE", _niqe(weights), image)


def piqe(image: np.ndarray) -> float:
    """PIQE of a uint8 image (H, W, 3), in [0, 100]; lower is better.

    Venkatanath et al., "Blind image quality evaluation using perception based features", National
    Conference on Communications 2015: it detects blocking and noise in blocks of 16x16 pixels with
    texture. Computed in float32 on the CPU.
    Raises UndefinedMetric if a side is below 16 pixels or the image is black.
    """
    check_size("PIQE", image, SMALLEST)
    return value_of("PIQE", network("piqe"), image)


@functools.lru_cache(maxsize=1)
def _niqe(weights: Path) -> Any:
    """pyiqa's NIQE with the prior of the file, converted to the .mat file that pyiqa reads."""
    import scipy.io

    prior = _prior(weights)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "prior.mat"
        scipy.io.savemat(
            path,
            {"mu_prisparam": prior["mu_pris_param"], "cov_prisparam": prior["cov_pris_param"]},
        )
        return build("niqe", pretrained_model_path=str(path))


def _prior(weights: Path) -> dict[str, np.ndarray]:
    """Mean and covariance from the file. UserError if one is missing or has another shape."""
    try:
        with np.load(weights) as file:
            prior = {name: file[name] for name in PRIOR}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{shown(weights)} does not hold NIQE's prior ({error}): {where_the_data_come_from()}."
        ) from error
    for name, shape in PRIOR.items():
        if prior[name].shape != shape:
            raise UserError(
                f"{shown(weights)}: '{name}' has shape {prior[name].shape}, NIQE's has {shape}: "
                f"{where_the_data_come_from()}."
            )
    return prior
