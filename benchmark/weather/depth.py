"""Plausible depth maps for single photographs, for weather that thickens with distance.

True depth cannot be had from one photograph without a trained network, and need not be: the
restoring method must only meet the *kinds* of depth that exist. So every call draws another mix of
a ground plane seen in perspective, tilted planes (walls), object-like regions that follow the
colours of the image, and smooth fields, and lets depth edges follow image edges.
"""

import cv2
import numpy as np

from benchmark.weather.layers import blur, grey, smooth_field

_WORK_SIDE = 80  # depth is smooth except at edges, which the guided filter brings back


def guided_coefficients(guide, source, radius, epsilon):
    """Local linear model of the guided filter: source ~ a * guide + b (box means of a and b).

    He, Sun & Tang, "Guided Image Filtering", TPAMI 2013, equations (5), (6) and (8). Arrays are
    float32 (H, W).
    """
    size = (2 * radius + 1, 2 * radius + 1)

    def mean(values):
        return cv2.blur(values, size, borderType=cv2.BORDER_REFLECT)

    mean_guide, mean_source = mean(guide), mean(source)
    covariance = mean(guide * source) - mean_guide * mean_source
    variance = mean(guide * guide) - mean_guide * mean_guide
    a = covariance / (variance + epsilon)
    b = mean_source - a * mean_guide
    return mean(a), mean(b)


def depth_map(image, rng):
    """Plausible relative depth of an image.

    image: float32 (H, W, 3) in [0, 1]. Returns (depth float32 (H, W) in [0, 1], parameters).
    """
    height, width = image.shape[:2]
    scale = min(1.0, _WORK_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    guide = grey(small)

    weights = rng.dirichlet((0.9, 0.5, 0.7, 0.5))
    horizon = float(rng.uniform(-0.5, 0.9))
    parts = (
        _ground(small.shape[:2], horizon, rng),
        _plane(small.shape[:2], rng),
        _regions(small, rng),
        smooth_field(small.shape[:2], _WORK_SIDE * float(rng.uniform(0.2, 0.8)), rng),
    )
    depth = sum(np.float32(w) * part for w, part in zip(weights, parts, strict=True))
    sky = float(rng.uniform(0.0, 1.0))
    if sky > 0.35:
        depth = np.maximum(depth, sky * _sky(small, guide))

    radius = max(1, round(_WORK_SIDE * float(rng.uniform(0.03, 0.1))))
    a, b = guided_coefficients(guide, depth, radius, float(10 ** rng.uniform(-3.5, -2)))
    # The fast guided filter (He & Sun 2015): the coefficients are smooth, so they may be enlarged.
    a = cv2.resize(a, (width, height), interpolation=cv2.INTER_LINEAR)
    b = cv2.resize(b, (width, height), interpolation=cv2.INTER_LINEAR)
    depth = _stretch(a * grey(image) + b)

    nearest = float(rng.uniform(0.05, 0.65))
    depth = nearest + (1 - nearest) * depth
    return depth, {
        "weights": [round(float(w), 4) for w in weights],
        "horizon": round(horizon, 4),
        "sky": round(sky, 4),
        "nearest": round(nearest, 4),
    }


def _ground(shape, horizon, rng):
    """Flat ground below a horizon at the given row (in image heights): distance ~ 1 / drop."""
    rows = (np.arange(shape[0], dtype=np.float32) + 0.5) / shape[0]
    near = float(rng.uniform(0.05, 0.35))
    drop = np.maximum(rows - horizon, 1e-3)
    distance = np.minimum(1.0, near / drop)
    return np.repeat(distance[:, None], shape[1], axis=1)


def _plane(shape, rng):
    """A tilted plane: a wall, a floor or a ceiling seen at a slant."""
    angle = float(rng.uniform(0, 2 * np.pi))
    rows = np.linspace(-0.5, 0.5, shape[0], dtype=np.float32)[:, None] * np.sin(angle)
    columns = np.linspace(-0.5, 0.5, shape[1], dtype=np.float32)[None] * np.cos(angle)
    return (np.clip(rows + columns + 0.5, 0, 1)).astype(np.float32)


def _regions(small, rng):
    """Regions of like colour at like depth: a random wave over (blurred) colour."""
    soft = blur(small, float(rng.uniform(0.5, 2.5)))
    direction = rng.normal(0.0, 1.0, 3).astype(np.float32) * np.float32(rng.uniform(1.5, 5.0))
    return 0.5 + 0.5 * np.sin(soft @ direction + np.float32(rng.uniform(0, 2 * np.pi)))


def _sky(small, guide):
    """How much a pixel looks like sky: bright, not warm, flat, and towards the top."""
    bright = np.clip((guide - 0.45) / 0.25, 0, 1)
    cool = np.clip((small[..., 2] - small[..., 0]) / 0.15 + 1, 0, 1)
    flat = np.clip(1 - np.abs(guide - blur(guide, 2.0)) / 0.04, 0, 1)
    rows = np.linspace(1.4, -0.2, small.shape[0], dtype=np.float32)[:, None]
    return bright * cool * flat * np.clip(rows, 0, 1)


def _stretch(depth):
    """Scales to [0, 1]."""
    low, high = float(depth.min()), float(depth.max())
    return (depth - low) / max(high - low, 1e-3)
