"""What the methods minimise."""

from torch import Tensor


def rmse(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean over images of each image's root mean square error; (B, C, H, W) on the [-1, 1] scale.

    Dividing by an image's own error makes slight and heavy weather count alike, as PSNR does.
    Where absolute errors are summed, the heaviest weather rules. A small constant keeps the
    gradient finite on pairs without weather, and is taken off again: a perfect answer costs 0.
    """
    least = 0.01  # 46 dB
    squared = (prediction - target).square().mean((1, 2, 3))
    return (squared + least**2).sqrt().mean() - least
