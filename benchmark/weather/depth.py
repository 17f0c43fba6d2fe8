"""Plausible depth maps for single photographs, for weather that thickens with distance.

True depth cannot be had from one photograph without a trained network. It is not needed: the
restoring method must meet the *kinds* of depth that exist. So every call draws another mixture of a
ground plane in perspective, a tilted plane (a wall), regions that follow the colours of the image,
and a smooth field. A guided filter then moves the edges of the depth onto edges of the image.

All ranges of numbers here were chosen by eye, so that depth maps of many photographs look
plausible. The depth is relative: `haze` scales it by β.
"""

from typing import Any

import cv2
import numpy as np

from benchmark.core.guided_filter import guided_coefficients, reflected_box_mean
from benchmark.weather.layers import Image, Plane, blur, grey, smooth_field

_WORK_SIDE = 80  # pixels; depth is smooth except at edges, which the guided filter restores


def depth_map(image: Image, rng: np.random.Generator) -> tuple[Plane, dict[str, Any]]:
    """Plausible relative depth of an image.

    image: float32 (H, W, 3) in [0, 1]. Returns (depth float32 (H, W) in [0, 1], what was drawn).
    """
    height, width = image.shape[:2]
    scale = min(1.0, _WORK_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    guide = grey(small)

    # Shares of ground, plane, regions and field: a concentration below 1 favours one of them.
    weights = rng.dirichlet((0.9, 0.5, 0.7, 0.5))
    horizon = float(rng.uniform(-0.5, 0.9))  # in image heights from the top; < 0: none in view
    parts = (
        _ground(small.shape[:2], horizon, rng),
        _plane(small.shape[:2], rng),
        _regions(small, rng),
        smooth_field(small.shape[:2], _WORK_SIDE * float(rng.uniform(0.2, 0.8)), rng),
    )
    depth = sum(np.float32(w) * part for w, part in zip(weights, parts, strict=True))
    sky = float(rng.uniform(0.0, 1.0))  # depth of what looks like sky
    if sky > 0.35:
        depth = np.maximum(depth, sky * _sky(small, guide))

    depth = _stretch(follow_edges(image, guide, depth, _WORK_SIDE, rng))

    nearest = float(rng.uniform(0.05, 0.65))  # depth of the nearest point
    depth = nearest + (1 - nearest) * depth
    return depth, {
        "weights": [round(float(w), 4) for w in weights],
        "horizon": round(horizon, 4),
        "sky": round(sky, 4),
        "nearest": round(nearest, 4),
    }


def follow_edges(
    image: Image, guide: Plane, depth: Plane, side: int, rng: np.random.Generator
) -> Plane:
    """A depth map at the image's size, its edges moved onto edges of the image (guided filter).

    image: (H, W, 3); guide: its grey values at the size of `depth`. side: pixels of which the
    filter's radius is a share of 3 to 10 %. Returns (H, W); values may be slightly beyond those of
    `depth`.
    """
    height, width = image.shape[:2]
    radius = max(1, round(side * float(rng.uniform(0.03, 0.1))))
    eps = float(10 ** rng.uniform(-3.5, -2))
    a, b = guided_coefficients(guide, depth, radius, eps, mean=reflected_box_mean)
    a = cv2.resize(a, (width, height), interpolation=cv2.INTER_LINEAR)
    b = cv2.resize(b, (width, height), interpolation=cv2.INTER_LINEAR)
    return a * grey(image) + b


def _ground(shape: tuple[int, int], horizon: float, rng: np.random.Generator) -> Plane:
    """Flat ground in perspective: distance ∝ 1 / (row - horizon), both in image heights.

    Returns (H, W) in [0, 1]; 1 above the horizon.
    """
    rows = (np.arange(shape[0], dtype=np.float32) + 0.5) / shape[0]
    near = float(rng.uniform(0.05, 0.35))  # at this drop below the horizon the distance is 1
    drop = np.maximum(rows - horizon, 1e-3)
    distance = np.minimum(1.0, near / drop)
    return np.repeat(distance[:, None], shape[1], axis=1)


def _plane(shape: tuple[int, int], rng: np.random.Generator) -> Plane:
    """A tilted plane (H, W) in [0, 1]: a wall, a floor or a ceiling seen at a slant."""
    angle = float(rng.uniform(0, 2 * np.pi))
    rows = np.linspace(-0.5, 0.5, shape[0], dtype=np.float32)[:, None] * np.sin(angle)
    columns = np.linspace(-0.5, 0.5, shape[1], dtype=np.float32)[None] * np.cos(angle)
    return (np.clip(rows + columns + 0.5, 0, 1)).astype(np.float32)


def _regions(small: Image, rng: np.random.Generator) -> Plane:
    """Regions of similar colour at similar depth: (H, W) in [0, 1].

    A sine wave over the blurred colour, of random direction and frequency.
    """
    soft = blur(small, float(rng.uniform(0.5, 2.5)))
    direction = rng.normal(0.0, 1.0, 3).astype(np.float32) * np.float32(rng.uniform(1.5, 5.0))
    return 0.5 + 0.5 * np.sin(soft @ direction + np.float32(rng.uniform(0, 2 * np.pi)))


def _sky(small: Image, guide: Plane) -> Plane:
    """How much a pixel looks like sky, (H, W) in [0, 1]: bright, not warm, flat, near the top."""
    bright = np.clip((guide - 0.45) / 0.25, 0, 1)
    cool = np.clip((small[..., 2] - small[..., 0]) / 0.15 + 1, 0, 1)
    flat = np.clip(1 - np.abs(guide - blur(guide, 2.0)) / 0.04, 0, 1)
    rows = np.linspace(1.4, -0.2, small.shape[0], dtype=np.float32)[:, None]
    return bright * cool * flat * np.clip(rows, 0, 1)


def _stretch(depth: Plane) -> Plane:
    """`depth` scaled linearly to [0, 1]."""
    low, high = float(depth.min()), float(depth.max())
    return (depth - low) / max(high - low, 1e-3)
