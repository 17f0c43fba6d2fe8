"""The kernel distance of two sets of images: how far restored patches are from clean ones as a set.

It is KID's squared maximum mean discrepancy (Binkowski et al., "Demystifying MMD GANs", ICLR 2018)
with other features: those of LPIPS, which are bundled, of patches in place of whole images. So its
figures are not KID's. Unlike FID it needs no covariance: with fewer images than features (100
images, 2048 features) that one is singular, and FID is then biased upwards.

Features of a patch: activations after each of AlexNet's five ReLUs, divided at each position by
their length over the channels (as in LPIPS, Zhang et al., CVPR 2018, eq. 1), and averaged over the
patch. Kernel: k(a, b) = (s + 1)^3 with s the mean over layers of the inner products, in [0, 1].

Patches of one photo depend on each other, and a restored image shows the same scene as its target.
So only pairs of different photos are averaged: with x_p the restored and y_p the clean patches of
photo p,

    MMD^2 = mean over p != q, all patches, of k(x_p, x_q) + k(y_p, y_q) - k(x_p, y_q) - k(y_p, x_q)

(Gretton et al., "A Kernel Two-Sample Test", JMLR 2012, Lemma 6). It is unbiased: equal sets have 0,
and for sets of one distribution it is 0 on average, so it may be negative.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.scoring.metrics.checks import UndefinedMetric, check_image
from benchmark.scoring.metrics.perceptual import lpips_network, to_tensor

PATCH = 64  # pixels; AlexNet has 3 x 3 positions left after its last convolution
DEGREE = 3
MOST_PATCHES = 20_000  # of a set: the time of their pairs grows with the square
Array = NDArray[np.float64]


class SetScore(NamedTuple):
    """A score of a set: its value, and the values without each of the P photos, (P,).

    A value is NaN if fewer than two photos are left.
    """

    value: float
    left_out: Array


def patch_features(image: np.ndarray, weights: Path, images: int = 1) -> Array:
    """The features of an image's patches: float64 (N, 1152), from uint8 (H, W, 3).

    The patches are the squares of `PATCH` pixels of a grid without overlap in the image's middle;
    what is left at the border is not used. images: of the set; where their patches would be more
    than `MOST_PATCHES`, each image has fewer, spread evenly over its grid. weights, WeightsMissing
    and UserError: as in `perceptual.lpips_alex`. Raises UndefinedMetric if no patch fits.
    """
    check_image("scored", image)
    height, width = image.shape[:2]
    if min(height, width) < PATCH:
        raise UndefinedMetric(
            f"a patch has {PATCH}x{PATCH} pixels, the image has {width}x{height} (width x height)"
        )
    network = lpips_network(weights)
    import torch

    top, left = height % PATCH // 2, width % PATCH // 2
    pixels = to_tensor(image)[:, :, top:, left:]
    grid = pixels.unfold(2, PATCH, PATCH).unfold(3, PATCH, PATCH)  # (1, 3, rows, columns, 64, 64)
    patches = grid[0].permute(1, 2, 0, 3, 4).flatten(0, 1)
    patches = patches[_spread(len(patches), max(1, MOST_PATCHES // images))]
    with torch.inference_mode():
        layers = network.net(network.scaling_layer(patches))
        means = [
            torch.nn.functional.normalize(layer, dim=1, eps=1e-10).mean(dim=(2, 3))
            for layer in layers
        ]
    features = torch.cat(means, dim=1).double().numpy()
    return features / len(means) ** 0.5


def _spread(count: int, most: int) -> NDArray[np.intp]:
    """At most `most` of `count` places, the middles of equal parts."""
    kept = min(count, most)
    return (2 * np.arange(kept) + 1) * count // (2 * kept)


def kernel_distance(restored: Sequence[Array], targets: Sequence[Array]) -> SetScore:
    """MMD^2 of two sets, and without each photo.

    restored, targets: for each of P photos the features of all its patches, (N, D) float64; the
    same photo at the same place in both. Raises UndefinedMetric if one has more patches in one.
    """
    sums, pairs = _sums_of_pairs(restored, targets)
    np.fill_diagonal(sums, 0)  # pairs within a photo are not used
    np.fill_diagonal(pairs, 0)
    # Both are symmetric: a photo's row and column have the pairs that go without it.
    sums_left = sums.sum() - 2 * sums.sum(axis=1)
    pairs_left = pairs.sum() - 2 * pairs.sum(axis=1)
    left_out = np.divide(sums_left, pairs_left, np.full(len(sums), np.nan), where=pairs_left > 0)
    return SetScore(float(sums.sum() / pairs.sum()) if pairs.any() else np.nan, left_out)


def kernel(a: Array, b: Array) -> Array:
    """k(a, b) of all pairs: (N, D) and (M, D) to (N, M)."""
    return (a @ b.T + 1) ** DEGREE


def _sums_of_pairs(restored: Sequence[Array], targets: Sequence[Array]) -> tuple[Array, Array]:
    """The sums of the four kernels over the patches of two photos, and their numbers: (P, P)."""
    counts = np.array([len(patches) for patches in restored])
    if counts.tolist() != [len(patches) for patches in targets]:
        raise UndefinedMetric("a restored image and its target differ in size")
    starts = np.cumsum(counts) - counts
    x, y = np.concatenate(restored), np.concatenate(targets)
    sums = np.zeros((len(counts), len(counts)))
    for photo, (x_p, y_p) in enumerate(zip(restored, targets, strict=True)):
        rows = kernel(x_p, x) + kernel(y_p, y) - kernel(x_p, y) - kernel(y_p, x)
        sums[photo] = np.add.reduceat(rows.sum(axis=0), starts)
    return sums, np.outer(counts, counts).astype(float)
