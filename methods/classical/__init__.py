"""Parts of the classical methods: NumPy and OpenCV on the CPU, no learning."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


def for_each_image(function: Callable[[np.ndarray], np.ndarray], images: "Tensor") -> "Tensor":
    """Apply a function of one float32 array (H, W, 3) to each image of a batch (B, 3, H, W).

    Returns float32 of the same shape, clipped to [0, 1], on the batch's device.
    """
    import torch  # here, because reading a method's card must not wait for this import

    arrays = np.ascontiguousarray(images.detach().cpu().numpy().transpose(0, 2, 3, 1))
    restored = np.stack([function(array) for array in arrays]).clip(0, 1).transpose(0, 3, 1, 2)
    return torch.from_numpy(np.ascontiguousarray(restored, np.float32)).to(images.device)
