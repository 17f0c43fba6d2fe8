"""Preconditioning of a network that predicts a residual of known size.

The parameter `residual_deviation` of methods is this size, in the [-1, 1] scale.

Karras et al. (2022, table 1), for a residual r = x0 - base in place of the image. The base is known
(the degraded image, or a prediction), and r has about the standard deviation s. A process shows it
as the offset z = a r + b ε, with the signal a and the noise b. With the standard deviation
d = √(a² s² + b²) of z, u = z/d, and its correlation ρ = a s/d with r,

    x̂0 = base + s (ρ u + √(1 - ρ²) F),   √(1 - ρ²) = b/d

The first two terms are the best linear estimate of x0. The target of F has the variance 1 at all
times with noise. Where the noise vanishes, x̂0 is read from z alone. With σ = b/a these are c_skip
and c_out of Karras et al.; written so, they are finite where a = 0.
"""

from collections.abc import Callable

import torch
from torch import Tensor

# Root mean square of the residual in the [-1, 1] scale: of clean minus degraded images, in 1,000
# training pairs, and of clean images minus the predictions of a regression trained for minutes.
DEGRADED = 0.35
PREDICTED = 0.15


def residual_estimate(
    network: Callable[[Tensor], Tensor],
    condition: Tensor,
    base: Tensor,
    offset: Tensor,
    signal: Tensor,
    noise: Tensor,
    deviation: float,
    noise_seen: bool = False,
) -> Tensor:
    """x̂0, (B, 3, H, W), of a network F that maps (B, C + 3, H, W) to (B, 3, H, W).

    condition: what F sees besides, (B, C, H, W); base, offset: base and z, (B, 3, H, W); signal,
    noise: a and b, (B, 1, 1, 1), or b of each pixel, (B, 1, H, W); deviation: s.

    F sees the condition and ρ u, the linear estimate of r in units of s. Karras et al. show it u
    (c_in); ρ u vanishes where z is noise alone, so that F need not learn to ignore noise.
    noise_seen: show it u, for an answer that is to depend on the noise. Where a = b = 0, as at the
    end of a bridge, u and ρ are 0, and b/d is 1.
    """
    variance = (signal * deviation).square() + noise.square()
    spread = variance > 0
    d = torch.where(spread, variance, 1).sqrt()
    u, correlation = offset / d, signal * deviation / d
    rest = torch.where(spread, noise / d, 1)
    linear = correlation * u
    seen = torch.cat([condition, u if noise_seen else linear], dim=1)
    return base + deviation * (linear + rest * network(seen))
