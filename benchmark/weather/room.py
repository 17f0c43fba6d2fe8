"""Depth of rooms: floor, ceiling and walls in perspective, with things that stand on the floor.

A plane n·X = d in front of a pinhole camera has the inverse depth 1/z = n·(u, v, 1) / d at the
pixel (u, v): an affine function of the pixel (Hartley and Zisserman, "Multiple View Geometry",
2004). A room is convex and seen from inside. So its inverse depth is the largest of its planes'.

The haze of RESIDE's indoor set has the depth of rooms (NYU Depth V2: Silberman et al., ECCV 2012,
from 0.7 to 10 m). The sizes here are usual ones of rooms, in metres, chosen by eye, as was the
number of things.
"""

from typing import Any

import cv2
import numpy as np

from benchmark.weather.depth import follow_edges
from benchmark.weather.layers import Image, Plane, grey

_WORK_SIDE = 80  # pixels


def room_depth(image: Image, rng: np.random.Generator) -> tuple[Plane, dict[str, Any]]:
    """Plausible depth of an image as if it showed a room.

    image: float32 (H, W, 3) in [0, 1]. Returns (depth over the largest, float32 (H, W) in (0, 1];
    what was drawn).
    """
    scale = min(1.0, _WORK_SIDE / max(image.shape[:2]))
    size = tuple(max(1, round(side * scale)) for side in image.shape[1::-1])
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    view = float(np.tan(np.radians(rng.uniform(45, 75)) / 2))  # of half the longer side
    yaw, pitch = rng.uniform(-0.7, 0.7), rng.normal(0.0, 0.15)  # radians
    walls = {
        "left": float(rng.uniform(0.4, 3.0)), "right": float(rng.uniform(0.4, 3.0)),
        "ceiling": float(rng.uniform(0.6, 1.8)), "floor": float(rng.uniform(0.5, 1.5)),
        "back": float(rng.uniform(2.0, 8.0)),
    }  # fmt: skip
    inverse = inverse_depth(small.shape[:2], view, yaw, pitch, walls)
    things = int(rng.integers(0, 5))
    for _ in range(things):
        _stand(inverse, rng)
    depth = follow_edges(image, grey(small), 1 / inverse, _WORK_SIDE, rng)
    depth = np.maximum(depth, float(0.5 / inverse.max()))
    return depth / depth.max(), {"walls": walls, "things": things}


def inverse_depth(
    shape: tuple[int, int], view: float, yaw: float, pitch: float, walls: dict[str, float]
) -> Plane:
    """1/z of an empty room, float32 (H, W), in 1/m.

    view: tangent of half the angle of view along the longer side; yaw, pitch: of the camera, in
    radians; walls: distance of left, right, ceiling, floor and back from the camera, in metres > 0.
    """
    height, width = shape
    half = max(shape) / 2
    u = ((np.arange(width, dtype=np.float32) + 0.5 - width / 2) / half * view)[None]
    v = ((np.arange(height, dtype=np.float32) + 0.5 - height / 2) / half * view)[:, None]
    # The ray (u, v, 1) in the room's axes: right, down, ahead.
    down = v * np.cos(pitch) + np.sin(pitch)
    level = np.cos(pitch) - v * np.sin(pitch)
    right = u * np.cos(yaw) + level * np.sin(yaw)
    ahead = level * np.cos(yaw) - u * np.sin(yaw)
    planes = (
        -right / walls["left"], right / walls["right"], -down / walls["ceiling"],
        down / walls["floor"], ahead / walls["back"],
    )  # fmt: skip
    nearest = np.maximum.reduce([np.broadcast_to(plane, shape) for plane in planes])
    return np.maximum(nearest, 0.05).astype(np.float32)


def _stand(inverse: Plane, rng: np.random.Generator) -> None:
    """Put an upright thing into the room: a rectangle as deep as the floor at its foot."""
    height, width = inverse.shape
    foot = min(height - 1, int(height * rng.uniform(0.55, 1.0)))
    top = max(0, foot - max(1, int(height * rng.uniform(0.1, 0.6))))
    left = int(width * rng.uniform(-0.1, 0.9))
    right = left + max(1, int(width * rng.uniform(0.08, 0.4)))
    left, right = max(0, left), min(width, right)
    depth = float(inverse[foot, (left + right - 1) // 2])
    here = inverse[top : foot + 1, left:right]
    np.maximum(here, depth, out=here)
