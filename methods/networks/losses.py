"""What the methods minimise."""

import torch
from torch import Tensor
from torch.nn import functional as F


def rmse(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean over images of each image's root mean square error; (B, C, H, W) on the [-1, 1] scale.

    Dividing by an image's own error makes slight and heavy weather count alike, as PSNR does.
    Where absolute errors are summed, the heaviest weather rules. A small constant keeps the
    gradient finite on pairs without weather, and is taken off again: a perfect answer costs 0.
    """
    least = 0.01  # 46 dB
    squared = (prediction - target).square().mean((1, 2, 3))
    return (squared + least**2).sqrt().mean() - least


def ssim(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean structural similarity of (B, C, H, W) on the [0, 1] scale: 1 if equal; differentiable.

    Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE
    TIP 2004, equation 13: an 11×11 Gaussian window (σ = 1.5) where it lies inside the image,
    K1 = 0.01, K2 = 0.03. Raises ValueError for images smaller than the window.
    """
    side, sigma, c1, c2 = 11, 1.5, 0.01**2, 0.03**2
    if min(prediction.shape[-2:]) < side:
        raise ValueError(f"SSIM needs images of {side}×{side} pixels: {tuple(prediction.shape)}")
    offsets = torch.arange(side) - side // 2
    window = torch.exp(-(offsets**2) / (2 * sigma**2)).to(prediction.device)
    window = window / window.sum()

    def local_mean(maps: Tensor) -> Tensor:
        rows = F.conv2d(maps.flatten(0, 1)[:, None], window[None, None, None, :])
        return F.conv2d(rows, window[None, None, :, None]).unflatten(0, maps.shape[:2])[:, :, 0]

    # Variances are small differences of means: half precision would leave nothing of them.
    with torch.autocast(prediction.device.type, enabled=False):
        x, y = prediction.float(), target.float()
        mean_x, mean_y = local_mean(x), local_mean(y)
        squares, product = mean_x**2 + mean_y**2, mean_x * mean_y
        variances = local_mean(x * x + y * y) - squares
        covariance = local_mean(x * y) - product
        similarity = (2 * product + c1) * (2 * covariance + c2)
        return (similarity / ((squares + c1) * (variances + c2))).mean()
