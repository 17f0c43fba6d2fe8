"""Losses."""

import functools
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark import Alternatives
from benchmark.scoring.metrics.perceptual import LPIPS_WEIGHTS, SMALLEST, lpips_network

WINDOW = 11  # side of SSIM's window


def rmse(prediction: Tensor, target: Tensor) -> Tensor:
    """Root mean square error of each image, averaged over images: mean(√(MSE + δ²)) - δ.

    prediction, target: (B, C, H, W) on the [-1, 1] scale. Returns a scalar >= 0. The gradient of an
    image's error is divided by that error, so that light and heavy weather weigh the same, as in
    PSNR; in a sum of squared or absolute errors heavy weather dominates. δ keeps the gradient
    finite on pairs without weather; it is subtracted so that a perfect result has the loss 0.
    """
    delta = 0.01  # an error of 46 dB
    squared = (prediction - target).square().mean((1, 2, 3))
    return (squared + delta**2).sqrt().mean() - delta


def restoration_error(prediction: Tensor, target: Tensor) -> Tensor:
    """`rmse` plus 1 - SSIM; images (B, C, H, W) on the [-1, 1] scale. Returns a scalar.

    The loss of all methods here that predict the clean image. SSIM preserves fine structure, which
    a mean square error loses first. For images smaller than SSIM's window the loss is `rmse` alone.
    """
    error = rmse(prediction, target)
    if min(prediction.shape[-2:]) < WINDOW:
        return error
    return error + 1 - ssim((prediction + 1) / 2, (target + 1) / 2)


def perceptual_error(prediction: Tensor, target: Tensor, where: Tensor | None = None) -> Tensor:
    """`restoration_error` plus LPIPS; images (B, 3, H, W) on the [-1, 1] scale. Returns a scalar.

    where: (B,) booleans, the images to which LPIPS is added; all if None. LPIPS (Zhang et al., CVPR
    2018) is also one of the scores. A method trained on it has an advantage there, and its entry on
    the board must say so. Images smaller than LPIPS's network allows get no LPIPS. Raises
    WeightsMissing without the network's weights.
    """
    error = restoration_error(prediction, target)
    if min(prediction.shape[-2:]) < SMALLEST:
        return error
    network = _frozen_lpips(prediction.device)
    # Its features are divided by their length, for which half precision is too coarse.
    with torch.autocast(prediction.device.type, enabled=False):
        distance = network(prediction.float(), target.float()).flatten()
        return error + (distance if where is None else where * distance).mean()


@functools.lru_cache(maxsize=1)
def _frozen_lpips(device: torch.device) -> nn.Module:
    return lpips_network(LPIPS_WEIGHTS).to(device).requires_grad_(False)


def ssim(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean structural similarity of (B, C, H, W) on the [0, 1] scale; differentiable.

    Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE
    TIP 2004, equation 13, with an 11×11 Gaussian window (σ = 1.5) at all places inside the image,
    K1 = 0.01 and K2 = 0.03. Returns a scalar in [-1, 1], 1 for equal images. Raises ValueError for
    images smaller than the window.
    """
    sigma, c1, c2 = 1.5, 0.01**2, 0.03**2
    if min(prediction.shape[-2:]) < WINDOW:
        size = tuple(prediction.shape)
        raise ValueError(f"SSIM needs images of {WINDOW}×{WINDOW} pixels: {size}")
    offsets = torch.arange(WINDOW, device=prediction.device) - WINDOW // 2
    window = torch.exp(-(offsets**2) / (2 * sigma**2))
    # Variances are small differences of means, for which half precision is too coarse.
    with torch.autocast(prediction.device.type, enabled=False):
        x, y = prediction.float(), target.float()
        maps = torch.cat([x, y, x * x + y * y, x * y], dim=1)
        # One convolution of separate channels: ten times as fast as channels in the batch.
        channels = maps.shape[1]
        kernel = (window / window.sum()).expand(channels, 1, WINDOW)
        rows = F.conv2d(maps, kernel[:, :, None, :], groups=channels)
        means = F.conv2d(rows, kernel[:, :, :, None], groups=channels)
        mean_x, mean_y, mean_squares, mean_product = means.chunk(4, dim=1)
        squares, product = mean_x**2 + mean_y**2, mean_x * mean_y
        variances, covariance = mean_squares - squares, mean_product - product
        similarity = (2 * product + c1) * (2 * covariance + c2)
        return (similarity / ((squares + c1) * (variances + c2))).mean()


Loss = Literal["rmse+ssim", "rmse+ssim+lpips", "rmse", "l1", "mse"]
LOSSES: Alternatives = {
    "rmse+ssim": restoration_error,
    "rmse+ssim+lpips": perceptual_error,
    "rmse": rmse,
    "l1": F.l1_loss,
    "mse": F.mse_loss,
}
