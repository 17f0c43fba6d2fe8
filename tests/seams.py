"""Steps in brightness across the edges of tiles."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from methods.networks.any_size import _grid
from methods.networks.tile_settings import TileSettings


def seam_steps(image: Tensor, settings: TileSettings) -> np.ndarray:
    """All steps across the edges between the tiles of an image (1, C, H, W) in [0, 1], in levels.

    A step is the difference between the means of 32 pixels behind and before the overlap of two
    tiles, in a channel, and in a strip of 16 pixels along the edge.
    """
    steps = []
    for turned in (image, image.transpose(-1, -2)):
        strips = F.avg_pool2d(turned, (16, 1))
        tile = min(settings.tile, turned.shape[-1])
        spans = _grid(turned.shape[-1], tile, settings.overlap, 0, torch.device("cpu"))
        for span in spans[1:]:
            end = span.start + settings.overlap
            before = strips[..., span.start - 32 : span.start].mean(-1)
            behind = strips[..., end : end + 32].mean(-1)
            steps.append((behind - before).abs().flatten() * 255)
    return torch.cat(steps).numpy()
