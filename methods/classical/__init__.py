"""What the classical methods share: NumPy and OpenCV on the CPU, no learning."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


def for_each_image(function: Callable[[np.ndarray], np.ndarray], images: "Tensor") -> "Tensor":
    """Apply a function of one float32 array (H, W, 3) to a batch (B, 3, H, W), clipped to [0, 1].

    One image at a time, so that a result cannot depend on the batch; back to the batch's device.
    """
    import torch  # here, so that reading a method's card does not wait for it

    arrays = np.ascontiguousarray(images.detach().cpu().numpy().transpose(0, 2, 3, 1))
    restored = np.stack([function(array) for array in arrays]).clip(0, 1).transpose(0, 3, 1, 2)
    return torch.from_numpy(np.ascontiguousarray(restored, np.float32)).to(images.device)
