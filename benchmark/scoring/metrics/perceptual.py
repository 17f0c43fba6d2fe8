"""LPIPS by its authors' package, with the AlexNet backbone from a file of the project.

The package has the linear weights, but would download the backbone, which needs a network. torch
and lpips are imported on first use: that takes seconds, and other metrics do not need them.
"""

import functools
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.core.errors import UserError, WeightsMissing
from benchmark.core.paths import shown, where_the_data_come_from
from benchmark.core.reading import reading, regular
from benchmark.scoring.metrics.checks import UndefinedMetric
from benchmark.scoring.metrics.definitions import WEIGHTS

LPIPS_WEIGHTS = WEIGHTS / "lpips_alexnet_features.safetensors"
# A convolution (11, stride 4, padding 2) and two poolings (3, stride 2) map 31 pixels to one.
SMALLEST = 31


def lpips_alex(restored: np.ndarray, target: np.ndarray, weights: Path) -> float:
    """LPIPS v0.1 with AlexNet of two uint8 images (H, W, 3); 0 if identical, lower is better.

    Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric", CVPR
    2018, eq. 1, with the authors' calibrated linear weights; inputs scaled to [-1, 1]. Computed in
    float32 on the CPU, one pair at a time, so that a value does not depend on other images.

    weights: safetensors file of AlexNet's convolutions, named as in torchvision.
    Raises WeightsMissing if that file is missing, UserError if it is from another network,
    UndefinedMetric if a side is below 31 pixels: AlexNet's last features would be empty.
    """
    height, width = restored.shape[:2]
    if min(height, width) < SMALLEST:
        raise UndefinedMetric(
            f"LPIPS with AlexNet needs {SMALLEST}x{SMALLEST} pixels, the image has {width}x{height}"
        )
    network = lpips_network(weights)
    import torch

    with torch.inference_mode():
        return float(network(to_tensor(restored), to_tensor(target)).item())


def to_tensor(image: np.ndarray) -> Any:
    """uint8 (H, W, 3) as a float32 tensor (1, 3, H, W) in [-1, 1]."""
    import torch

    planes = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
    return planes[None].to(torch.float32) / 127.5 - 1


@functools.lru_cache(maxsize=1)
def lpips_network(weights: Path) -> Any:
    """The LPIPS network in evaluation mode with the backbone of the file, for values in [-1, 1].

    Raises WeightsMissing if that file is missing, UserError if it is from another network.
    """
    if not weights.is_file():
        raise WeightsMissing(f"LPIPS needs {shown(weights)}: {where_the_data_come_from()}.")
    import lpips
    import torch

    # The network starts from random weights: this must not change the caller's random state.
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        # lpips builds AlexNet with an argument that torchvision deprecates.
        warnings.filterwarnings("ignore", module="torchvision")
        network = lpips.LPIPS(net="alex", version="0.1", pnet_rand=True, verbose=False)
    _load_backbone(network.net, weights)
    return network.eval()


def _load_backbone(backbone: Any, weights: Path) -> None:
    """Fill `sliceK.N.weight` from `features.N.weight`; all names and shapes must match."""
    from safetensors.torch import load_file

    with reading(shown(weights), "a whole safetensors file", where_the_data_come_from()):
        tensors = load_file(regular(weights))
    wanted = backbone.state_dict()
    names = {name: "features." + name.split(".", 1)[1] for name in wanted}
    for name in sorted(tensors.keys() ^ set(names.values())):
        fault = "has the unknown tensor" if name in tensors else "lacks the tensor"
        raise UserError(
            f"{shown(weights)} {fault} '{name}', so it is not AlexNet's: "
            f"{where_the_data_come_from()}."
        )
    for own, name in names.items():
        if tensors[name].shape != wanted[own].shape:
            raise UserError(
                f"{shown(weights)}: '{name}' has shape {tuple(tensors[name].shape)}, AlexNet's has "
                f"{tuple(wanted[own].shape)}: {where_the_data_come_from()}."
            )
    backbone.load_state_dict({own: tensors[name] for own, name in names.items()})
