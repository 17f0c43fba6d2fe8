"""Scores of N restorations of one image: does their spread tell how far they are from the truth?

All values are in levels of 255, over all pixels and channels. The samples are taken for draws from
one distribution, and the target for one more, if the uncertainty is right.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NOMINAL = 0.9  # the coverage of a central interval


@dataclass(frozen=True)
class EnsembleScores:
    """Means over an image's values.

    variance: of the samples, unbiased. squared_error: of the samples' mean. crps: the fair
    continuous ranked probability score. absolute_error: of one sample, on average; it is the CRPS
    of a single restoration. ranks: (N + 1,) the share of values whose target has r samples below
    it.
    """

    variance: float
    squared_error: float
    crps: float
    absolute_error: float
    ranks: NDArray[np.float64]


def ensemble_scores(
    samples: NDArray[np.uint8], target: NDArray[np.uint8], generator: np.random.Generator
) -> EnsembleScores:
    """samples: (N, H, W, 3), N >= 2. target: (H, W, 3). generator: orders equal values at random.

    The fair CRPS (Ferro, "Fair scores for ensemble forecasts", QJRMS 140, 2014), which has not the
    bias of the form with N², is mean |x_i - y| - sum over i < j of |x_i - x_j| / (N (N - 1)).
    Ranks of 8-bit values have ties, many of them at 0 and 255. They are broken at random: then all
    ranks are equally frequent if samples and target are exchangeable.
    """
    count = len(samples)
    if count < 2:
        raise ValueError("two samples or more are needed")
    ordered = np.sort(samples.reshape(count, -1), axis=0).astype(np.float32)
    truth = target.reshape(-1).astype(np.float32)
    mean = ordered.mean(axis=0, dtype=np.float64)
    # Of sorted values, x_(k) is the larger one in k - 1 pairs and the smaller one in N - k.
    weights = 2 * np.arange(1, count + 1) - count - 1
    pairs = float(np.einsum("k,kp->", weights.astype(np.float64), ordered)) / truth.size
    absolute = float(np.abs(ordered - truth).mean(dtype=np.float64))
    below, equal = (ordered < truth).sum(axis=0), (ordered == truth).sum(axis=0)
    rank = below + generator.integers(0, equal + 1)
    return EnsembleScores(
        variance=float(ordered.var(axis=0, ddof=1, dtype=np.float64).mean()),
        squared_error=float(((mean - truth) ** 2).mean()),
        crps=absolute - pairs / (count * (count - 1)),
        absolute_error=absolute,
        ranks=np.bincount(rank, minlength=count + 1) / truth.size,
    )


def spread_skill(variance, squared_error, count: int):
    """The root of the samples' mean variance over the root mean square error of their mean.

    1 if samples and truth are exchangeable: the error of a mean of N samples has (N + 1) / N times
    the variance of one (Fortin et al., Journal of Hydrometeorology 15, 2014). Below 1: too sure.
    Variances are averaged before the root is taken. Works on numbers and on arrays.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.sqrt((count + 1) / count * np.asarray(variance) / np.asarray(squared_error))


def central_interval(count: int) -> tuple[int, int, float]:
    """(j, k, expected coverage) of the interval [x_(j), x_(k)] of sorted samples, 1 <= j < k, that
    holds about `NOMINAL` of exchangeable values; from the least to the largest sample if there are
    too few for it. The coverage is (k - j) / (N + 1), exactly.
    """
    first = max(1, round((1 - NOMINAL) / 2 * (count + 1)))
    return first, count + 1 - first, (count + 1 - 2 * first) / (count + 1)


def coverage(ranks, first: int, last: int):
    """The share of values in [x_(first), x_(last)], from shares of ranks (..., N + 1)."""
    return np.asarray(ranks)[..., first:last].sum(axis=-1)
