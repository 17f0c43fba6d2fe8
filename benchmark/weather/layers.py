"""Parts that several kinds of weather share: smooth fields, motion-blurred lines, stamped sprites.

Sizes are in pixels of the degraded image. They were chosen by eye, to look right in photographs of
480 to 720 pixels width. So 128-pixel training crops, 256-pixel test images and whole photographs
agree in scale.
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]  # (H, W, 3), sRGB, usually in [0, 1]
Plane = NDArray[np.float32]  # (H, W)
Values = NDArray[np.float64]  # (N,): one value for each point or line
Pyramid = list[Plane]  # a square mask with values in [0, 1] and its halvings, the largest first
Box = tuple[int, int, int, int]  # rows top to bottom, columns left to right, ends excluded

_MAX_TAP_SIGMA = 0.3  # pixels; a blur below this changes nothing visible


def log_uniform(bounds: tuple[float, float], rng: np.random.Generator) -> float:
    """A number between the bounds (> 0) whose logarithm is uniform: for sizes and densities."""
    return math.exp(rng.uniform(math.log(bounds[0]), math.log(bounds[1])))


def smooth_field(shape: tuple[int, int], cell: float, rng: np.random.Generator) -> Plane:
    """Random smooth field (H, W) in [0, 1], with features of about `cell` pixels.

    Cubic interpolation of uniform noise on a coarse grid. shape: (H, W).
    """
    height, width = shape
    rows, columns = max(2, round(height / cell) + 2), max(2, round(width / cell) + 2)
    grid = rng.random((rows, columns), dtype=np.float32)
    field = cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(field, 0.0, 1.0)


def three(mask: Plane) -> Image:
    """A plane (H, W) three times, as (H, W, 3).

    Arrays of the same shape multiply several times faster than broadcast ones.
    """
    return cv2.merge((mask, mask, mask))


def grey(image: Image) -> Plane:
    """Luma 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601) of an image (H, W, 3), as (H, W)."""
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def blur(image: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Gaussian blur with mirrored borders.

    image: (H, W) or (H, W, 3); sigma: standard deviation in pixels, >= 0. Below 0.3 pixels the
    image is returned as it is.
    """
    if sigma < _MAX_TAP_SIGMA:
        return image
    size = 2 * max(1, math.ceil(2.6 * sigma)) + 1
    return cv2.GaussianBlur(image, (size, size), sigma, borderType=cv2.BORDER_REFLECT)


def wide_blur(image: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Approximate Gaussian blur for large `sigma`, computed on a reduced image; as `blur`.

    The result has no detail that the reduced image lacks.
    """
    factor = 1 << max(0, math.floor(math.log2(max(sigma, 1.0) / 2)))
    height, width = image.shape[:2]
    if factor == 1 or min(height, width) < 4 * factor:
        return blur(image, sigma)
    small = cv2.resize(image, (width // factor, height // factor), interpolation=cv2.INTER_AREA)
    return cv2.resize(blur(small, sigma / factor), (width, height), interpolation=cv2.INTER_LINEAR)


def poisson_points(
    shape: tuple[int, int], density: float, margin: float, rng: np.random.Generator
) -> tuple[Values, Values]:
    """A Poisson process: uniform random points in the image and `margin` pixels around it.

    shape: (H, W); density: mean number of points a pixel. Returns x and y in pixels, both (N,).
    """
    height, width = shape
    count = int(rng.poisson(density * (height + 2 * margin) * (width + 2 * margin)))
    x = rng.uniform(-margin, width + margin, count)
    y = rng.uniform(-margin, height + margin, count)
    return x, y


def draw_lines(
    shape: tuple[int, int],
    x: Values,
    y: Values,
    angle: Values,
    length: Values,
    weight: Values,
    sigma: float,
    rng: np.random.Generator,
    ripple: float = 0.45,
) -> Plane:
    """The sum of motion-blurred line segments: the image of points that move during the exposure.

    Every segment is sampled once a pixel and splatted bilinearly, so that it is anti-aliased. It is
    then blurred to the width `sigma`; its middle has the brightness `weight`. The brightness along
    a segment fades at both ends and ripples, because a falling drop oscillates (Garg and Nayar,
    "Photorealistic Rendering of Rain Streaks", SIGGRAPH 2006). The number of periods was
    chosen by eye.

    shape: (H, W); x, y: middles of the segments in pixels; angle: in radians from the vertical,
    positive if the lower end is to the right; length: in pixels, > 0; weight: brightness, >= 0; all
    (N,). sigma: standard deviation in pixels; ripple: its largest height, in [0, 1]. Returns (H, W)
    >= 0.
    """
    height, width = shape
    steps = np.maximum(1, np.ceil(length)).astype(np.int64)
    segment = np.repeat(np.arange(steps.size), steps)
    index = np.arange(segment.size) - np.repeat(np.cumsum(steps) - steps, steps)
    along = (index + 0.5) / steps[segment]  # 0..1 from one end of its segment to the other

    height_of = rng.uniform(0.0, ripple, steps.size)[segment]
    turns = rng.uniform(0.5, 2.5, steps.size)[segment]
    phase = rng.uniform(0.0, 2 * np.pi, steps.size)[segment]
    value = weight[segment] * np.sqrt(np.sin(np.pi * along))
    value *= 1.0 + height_of * np.cos(2 * np.pi * turns * along + phase)
    # A segment shorter than a pixel gives only its share of the light.
    value *= np.minimum(1.0, length / steps)[segment]

    distance = (along - 0.5) * length[segment]
    px = x[segment] + distance * np.sin(angle)[segment] + 1.0
    py = y[segment] + distance * np.cos(angle)[segment] + 1.0
    inside = (px >= 0) & (px < width + 1) & (py >= 0) & (py < height + 1)
    px, py, value = px[inside], py[inside], value[inside]

    stride = width + 3  # a border of one pixel takes the light that falls beyond the edge
    left, top = px.astype(np.int64), py.astype(np.int64)
    fx, fy = px - left, py - top
    base = top * stride + left
    places = np.concatenate((base, base + 1, base + stride, base + stride + 1))
    light = np.concatenate(
        (
            value * (1 - fx) * (1 - fy),
            value * fx * (1 - fy),
            value * (1 - fx) * fy,
            value * fx * fy,
        )
    )
    canvas = np.bincount(places, light, minlength=(height + 3) * stride)
    canvas = canvas.reshape(height + 3, stride)[1 : height + 1, 1 : width + 1].astype(np.float32)
    # A line of brightness 1 has the peak 1 / (σ √(2π)) after the blur: undo that.
    return blur(canvas, sigma) * max(1.0, sigma * math.sqrt(2 * math.pi))


def window(shape: tuple[int, int], x: float, y: float, radius: float) -> Box | None:
    """The part of an image (H, W) within `radius` pixels of (x, y): (top, bottom, left, right).

    None if that part is empty.
    """
    left, top = max(0, math.floor(x - radius)), max(0, math.floor(y - radius))
    right = min(shape[1], math.ceil(x + radius) + 1)
    bottom = min(shape[0], math.ceil(y + radius) + 1)
    if left >= right or top >= bottom:
        return None
    return top, bottom, left, right


def place_sprite(
    pyramid: Pyramid, box: Box, x: float, y: float, size: tuple[float, float], angle: float
) -> Plane:
    """The part inside the window `box` of a sprite that is turned, scaled and centred at (x, y).

    pyramid: the sprite at several sizes; the smallest that need not be enlarged is used, so that
    shrinking does not alias. x, y: in pixels of the image; size: (width, height) of the square
    sprite in pixels; angle: in radians, clockwise. Returns a mask of the window's shape in [0, 1].
    """
    longest = max(size)
    sprite = pyramid[0]
    for smaller in pyramid[1:]:
        if smaller.shape[0] < longest:
            break
        sprite = smaller
    side = sprite.shape[0]
    top, bottom, left, right = box
    cos, sin = math.cos(angle), math.sin(angle)
    scale_x, scale_y = size[0] / side, size[1] / side
    xx, xy, yx, yy = cos * scale_x, -sin * scale_y, sin * scale_x, cos * scale_y
    middle = (side - 1) / 2
    shift_x, shift_y = x - left - (xx + xy) * middle, y - top - (yx + yy) * middle
    matrix = np.array([[xx, xy, shift_x], [yx, yy, shift_y]])
    return cv2.warpAffine(sprite, matrix, (right - left, bottom - top), flags=cv2.INTER_LINEAR)


def blob_pyramids(
    count: int, lobes: tuple[int, int], roughness: float, seed: int, side: int = 64
) -> list[Pyramid]:
    """A bank of `count` irregular blobs, each a pyramid of masks (side, side), ... in [0, 1].

    A blob is a sum of Gaussian balls cut at a level (Blinn, "A Generalization of Algebraic Surface
    Drawing", ACM TOG 1982) with a rough rim. lobes: number of balls, from the first to below the
    second; roughness: of the rim, 0 for a smooth one. The fixed seed makes the bank the same table
    of shapes in every run. Sizes of balls and the levels were chosen by eye.
    """
    rng = np.random.default_rng(seed)
    axis = (np.arange(side, dtype=np.float32) + 0.5) / side * 2 - 1
    grid_x, grid_y = np.meshgrid(axis, axis)
    bank = []
    for _ in range(count):
        total = np.zeros((side, side), np.float32)
        for _ in range(int(rng.integers(*lobes))):
            bx, by = rng.normal(0.0, 0.22, 2)
            spread = rng.uniform(0.22, 0.42)
            total += np.exp(-((grid_x - bx) ** 2 + (grid_y - by) ** 2) / (2 * spread**2))
        total += roughness * (smooth_field((side, side), side / 6, rng) - 0.5)
        # At this level the blob does not reach the sprite's border, so that it is never cut off.
        border = np.concatenate((total[0], total[-1], total[:, 0], total[:, -1])).max()
        level = max(0.45 * float(total.max()), float(border) + 0.05)
        mask = np.clip((total - level) / 0.12 + 0.5, 0.0, 1.0).astype(np.float32)
        bank.append(pyramid(mask))
    return bank


def pyramid(mask: Plane) -> Pyramid:
    """A square mask in [0, 1] and its halvings (area means) down to 4 pixels."""
    levels = [mask]
    while levels[-1].shape[0] > 4:
        half = levels[-1].shape[0] // 2
        levels.append(cv2.resize(levels[-1], (half, half), interpolation=cv2.INTER_AREA))
    return levels
