"""Plain grey surfaces: skies behind towers, walls and roads, which are no haze.

They have little contrast, little colour and no black, as hazy scenes have. Without them, methods
darken asphalt and grey skies. All ranges were chosen by eye.
"""

import cv2
import numpy as np

from benchmark.weather.layers import Image, Plane, blur, smooth_field, three


def add_surface(image: Image, rng: np.random.Generator) -> Image:
    """The image with a plain surface over a part: float32 (H, W, 3) in [0, 1].

    Returns (H, W, 3), not yet clipped to [0, 1].
    """
    kind = rng.random()
    surface, mask = (_sky if kind < 0.35 else _wall if kind < 0.6 else _road)(image.shape[:2], rng)
    mask = blur(mask, float(rng.uniform(0.0, 1.0)))
    return image + three(mask) * (surface - image)


def _plain(shape: tuple[int, int], levels: tuple[float, float], rng: np.random.Generator) -> Image:
    """A grey (H, W, 3) of a level between two, slightly tinted, with an even fall of light."""
    tint = rng.uniform(*levels) + rng.normal(0.0, 0.02, 3)
    down, along = rng.normal(0.0, 0.1, 2)
    rows = np.linspace(-0.5, 0.5, shape[0], dtype=np.float32)[:, None] * np.float32(down)
    columns = np.linspace(-0.5, 0.5, shape[1], dtype=np.float32)[None] * np.float32(along)
    return three(rows + columns) + tint.astype(np.float32)


def _sky(shape: tuple[int, int], rng: np.random.Generator) -> tuple[Image, Plane]:
    """A plain sky above a horizon, often with towers before it; surface and mask."""
    horizon = int(shape[0] * rng.uniform(0.15, 0.8))
    surface = _plain(shape, (0.4, 1.0), rng)
    level = float(surface.mean())
    for _ in range(int(rng.integers(0, 6))):
        _tower(surface, level, horizon, rng)
    mask = np.zeros(shape, np.float32)
    mask[:horizon] = 1
    return surface, mask


def _tower(surface: Image, sky: float, foot: int, rng: np.random.Generator) -> None:
    """A grey building with rows of windows before a plain sky of a level, drawn into `surface`."""
    width = surface.shape[1]
    left, top = int(width * rng.uniform(-0.1, 0.95)), int(foot * rng.uniform(0.1, 0.9))
    right = left + max(2, int(width * rng.uniform(0.03, 0.25)))
    here = surface[top:foot, max(0, left) : right]
    grey = sky * float(rng.uniform(0.35, 0.95))
    here[:] = np.float32(grey) + rng.normal(0.0, 0.02, 3).astype(np.float32)
    step = int(rng.integers(3, 8))
    here[::step, ::2] *= np.float32(rng.uniform(0.6, 1.1))


def _wall(shape: tuple[int, int], rng: np.random.Generator) -> tuple[Image, Plane]:
    """A wall over the whole height, sometimes of slabs with joints; surface and mask."""
    surface = _plain(shape, (0.3, 0.9), rng) + three(_grain(shape, rng))
    if rng.random() < 0.5:
        joint, step = np.float32(rng.uniform(0.7, 1.1)), int(rng.integers(10, 60))
        surface[:: max(4, step // 2)] *= joint
        surface[:, ::step] *= joint
    left = int(shape[1] * rng.uniform(-0.3, 0.7))
    mask = np.zeros(shape, np.float32)
    mask[:, max(0, left) : left + int(shape[1] * rng.uniform(0.3, 0.8))] = 1
    return surface, mask


def _road(shape: tuple[int, int], rng: np.random.Generator) -> tuple[Image, Plane]:
    """Asphalt below a slanting edge, often with painted lines; surface and mask."""
    height, width = shape
    surface = _plain(shape, (0.15, 0.6), rng) + three(_grain(shape, rng))
    ends = height * (rng.uniform(0.2, 0.8) + rng.normal(0.0, 0.12, 2))
    corners = np.array([(0, ends[0]), (width, ends[1]), (width, height), (0, height)])
    mask = np.zeros(shape, np.float32)
    cv2.fillConvexPoly(mask, corners.round().astype(np.int32), 1.0)
    for _ in range(int(rng.integers(0, 4))):
        x, y = rng.uniform(0, width, 2), (float(rng.uniform(0.2, 0.7)) * height, height)
        wide = np.array([0.3, 1.0]) * rng.uniform(0.01, 0.06) * width  # nearer, hence wider
        line = np.array(
            [(x[0], y[0]), (x[0] + wide[0], y[0]), (x[1] + wide[1], y[1]), (x[1], y[1])]
        )
        paint = rng.uniform(0.6, 0.95) * np.array([1.0, 1.0, 0.5 if rng.random() < 0.3 else 1.0])
        cv2.fillConvexPoly(surface, line.round().astype(np.int32), paint.tolist())
    return surface, mask


def _grain(shape: tuple[int, int], rng: np.random.Generator) -> Plane:
    """Fine grain and large patches of a surface, float32 (H, W), about 0 on average."""
    fine = rng.standard_normal(shape, dtype=np.float32) * np.float32(rng.uniform(0.0, 0.06))
    patches = smooth_field(shape, float(rng.uniform(20, 120)), rng) - np.float32(0.5)
    return blur(fine, float(rng.uniform(0.3, 1.0))) + patches * np.float32(rng.uniform(0.0, 0.15))
