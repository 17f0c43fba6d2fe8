"""The values that a metric can have: no interval of a board goes beyond them."""

import math

from benchmark.scoring.metrics import ANY_METRIC

UNLIMITED = (-math.inf, math.inf)
AT_LEAST_0 = (0.0, math.inf)
SHARE = (0.0, 1.0)
# By the name of the metric: its protocols do not change what is possible.
LIMITS = {
    "psnr": AT_LEAST_0,  # no error is larger than the peak
    "ssim": (-1.0, 1.0),
    "lpips": AT_LEAST_0,
    "niqe": AT_LEAST_0,
    "piqe": (0.0, 100.0),
    "ms_ssim": (-1.0, 1.0),
    "fsim": SHARE,
    "vif": AT_LEAST_0,  # more contrast than the target has gives more than 1
    "gmsd": AT_LEAST_0,
    "dists": AT_LEAST_0,
    "kernel-distance": UNLIMITED,  # unbiased, so it may be below 0 by chance
}


def limits_of(metric: str) -> tuple[float, float]:
    """The least and the greatest value of a metric of `ANY_METRIC`, by its key; infinite if it has
    none, or if its name is not in `LIMITS`."""
    return LIMITS.get(ANY_METRIC[metric].name, UNLIMITED)
