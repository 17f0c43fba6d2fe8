"""Preconditioning of a network that predicts a residual of known size.

Karras et al. (2022, table 1) for the residual r = x0 - y in place of the image: y is known, and
what is unknown is as small as the weather. With a = √ᾱ, b = √(1 - ᾱ) and s, the standard deviation
of r,

    x̂0 = y + skip (x_t - a y) + out F,   skip = a s² / (b² + a² s²),   out = b s / √(b² + a² s²)

The first two terms are the best linear estimate of x0. The target of F has the variance 1 at all
times. With σ = b/a these are their c_skip and c_out; written so, they are finite where a = 0.
"""

from collections.abc import Callable

import torch
from torch import Tensor


def residual_estimate(
    network: Callable[[Tensor], Tensor],
    condition: Tensor,
    x_t: Tensor,
    signal: Tensor,
    noise: Tensor,
    deviation: float,
) -> Tensor:
    """x̂0, (B, 3, H, W), of a network F that maps (B, 6, H, W) to (B, 3, H, W).

    condition, x_t: y and x_t, (B, 3, H, W); signal, noise: a and b, (B, 1, 1, 1); deviation: s. F
    sees y and the linear estimate of r in units of s. Karras et al. scale that input to variance 1
    (c_in); here it vanishes at t = T, so that the network need not learn to ignore noise.
    """
    variance = noise**2 + (signal * deviation) ** 2
    linear = signal * deviation**2 / variance * (x_t - signal * condition)
    prediction = network(torch.cat([condition, linear / deviation], dim=1))
    return condition + linear + noise * deviation * variance.rsqrt() * prediction
