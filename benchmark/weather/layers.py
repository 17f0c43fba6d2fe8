"""Parts that several kinds of weather share: smooth fields, motion-blurred lines, stamped sprites.

Sizes are in pixels of the degraded image, chosen to look right in photographs of 480 to 720 pixels
width, so that 128-pixel training crops, 256-pixel test images and whole photographs agree in scale.
"""

import math

import cv2
import numpy as np

_MAX_TAP_SIGMA = 0.3  # a blur below this changes nothing visible


def log_uniform(bounds, rng):
    """A number between the bounds whose logarithm is uniform: for sizes and densities."""
    return math.exp(rng.uniform(math.log(bounds[0]), math.log(bounds[1])))


def smooth_field(shape, cell, rng):
    """Random smooth field of `shape` (H, W), float32 in [0, 1]; features of about `cell` px."""
    height, width = shape
    rows, columns = max(2, round(height / cell) + 2), max(2, round(width / cell) + 2)
    grid = rng.random((rows, columns), dtype=np.float32)
    field = cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(field, 0.0, 1.0)


def three(mask):
    """A map (H, W) as (H, W, 3): whole arrays multiply several times faster than broadcast ones."""
    return cv2.merge((mask, mask, mask))


def grey(image):
    """Luma of an RGB image (H, W, 3), as (H, W)."""
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def blur(image, sigma):
    """Gaussian blur with mirrored borders; the very small sigmas are left out for speed."""
    if sigma < _MAX_TAP_SIGMA:
        return image
    size = 2 * max(1, math.ceil(2.6 * sigma)) + 1
    return cv2.GaussianBlur(image, (size, size), sigma, borderType=cv2.BORDER_REFLECT)


def wide_blur(image, sigma):
    """Gaussian blur for large `sigma`, computed on a reduced image because it holds no detail."""
    factor = 1 << max(0, math.floor(math.log2(max(sigma, 1.0) / 2)))
    height, width = image.shape[:2]
    if factor == 1 or min(height, width) < 4 * factor:
        return blur(image, sigma)
    small = cv2.resize(image, (width // factor, height // factor), interpolation=cv2.INTER_AREA)
    return cv2.resize(blur(small, sigma / factor), (width, height), interpolation=cv2.INTER_LINEAR)


def poisson_points(shape, density, margin, rng):
    """Uniform random points (x, y), `density` a pixel, in the image and `margin` pixels around."""
    height, width = shape
    count = int(rng.poisson(density * (height + 2 * margin) * (width + 2 * margin)))
    x = rng.uniform(-margin, width + margin, count)
    y = rng.uniform(-margin, height + margin, count)
    return x, y


def draw_lines(shape, x, y, angle, length, weight, sigma, rng):
    """Motion-blurred line segments, summed: the image of points that move during the exposure.

    Every segment is sampled once a pixel and splatted bilinearly, so it is exactly anti-aliased,
    and then blurred to the width `sigma`; its middle then has the brightness `weight`. Brightness
    along a segment fades at both ends and ripples: a falling drop oscillates (Garg & Nayar,
    "Photorealistic rendering of rain streaks", SIGGRAPH 2006).

    x, y, angle (radians from the vertical, positive leans to the right going down), length and
    weight are arrays of one value a segment. Returns float32 (H, W).
    """
    height, width = shape
    steps = np.maximum(1, np.ceil(length)).astype(np.int64)
    segment = np.repeat(np.arange(steps.size), steps)
    index = np.arange(segment.size) - np.repeat(np.cumsum(steps) - steps, steps)
    along = (index + 0.5) / steps[segment]  # 0..1 from one end of its segment to the other

    ripple = rng.uniform(0.0, 0.45, steps.size)[segment]
    turns = rng.uniform(0.5, 2.5, steps.size)[segment]
    phase = rng.uniform(0.0, 2 * np.pi, steps.size)[segment]
    value = weight[segment] * np.sqrt(np.sin(np.pi * along))
    value *= 1.0 + ripple * np.cos(2 * np.pi * turns * along + phase)
    # A segment shorter than a pixel deposits its share of the light only.
    value *= np.minimum(1.0, length / steps)[segment]

    distance = (along - 0.5) * length[segment]
    px = x[segment] + distance * np.sin(angle)[segment] + 1.0
    py = y[segment] + distance * np.cos(angle)[segment] + 1.0
    inside = (px >= 0) & (px < width + 1) & (py >= 0) & (py < height + 1)
    px, py, value = px[inside], py[inside], value[inside]

    stride = width + 3  # one pixel of border on every side takes what falls off the edge
    left, top = px.astype(np.int64), py.astype(np.int64)
    fx, fy = px - left, py - top
    base = top * stride + left
    where = np.concatenate((base, base + 1, base + stride, base + stride + 1))
    what = np.concatenate(
        (
            value * (1 - fx) * (1 - fy),
            value * fx * (1 - fy),
            value * (1 - fx) * fy,
            value * fx * fy,
        )
    )
    canvas = np.bincount(where, what, minlength=(height + 3) * stride)
    canvas = canvas.reshape(height + 3, stride)[1 : height + 1, 1 : width + 1].astype(np.float32)
    # A line of unit brightness blurred across has the peak 1 / (sigma sqrt(2 pi)): undo that.
    return blur(canvas, sigma) * max(1.0, sigma * math.sqrt(2 * math.pi))


def window(shape, x, y, radius):
    """The part of an image within `radius` of (x, y): (top, bottom, left, right) or None."""
    left, top = max(0, math.floor(x - radius)), max(0, math.floor(y - radius))
    right = min(shape[1], math.ceil(x + radius) + 1)
    bottom = min(shape[0], math.ceil(y + radius) + 1)
    if left >= right or top >= bottom:
        return None
    return top, bottom, left, right


def place_sprite(pyramid, box, x, y, size, angle):
    """A sprite, turned by `angle` and scaled to `size` (w, h), as it falls into the window `box`.

    `pyramid` is a list of the same square sprite at falling sizes: the smallest one that is not
    enlarged is taken, so that shrinking does not alias.
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


def blob_pyramids(count, lobes, roughness, seed, side=64):
    """A bank of `count` irregular blobs, each a pyramid of float32 masks with values in [0, 1].

    A blob is a sum of `lobes` (range) Gaussian balls cut at a level ("metaballs", Blinn 1982) with
    a rough rim. The bank has its own fixed seed: it is a table of shapes, the same in every run.
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
        # The level that keeps the blob clear of the sprite's border, so that it is never cut off.
        border = np.concatenate((total[0], total[-1], total[:, 0], total[:, -1])).max()
        level = max(0.45 * float(total.max()), float(border) + 0.05)
        mask = np.clip((total - level) / 0.12 + 0.5, 0.0, 1.0).astype(np.float32)
        bank.append(pyramid(mask))
    return bank


def pyramid(mask):
    """`mask` and its halvings (area means) down to 4 pixels."""
    levels = [mask]
    while levels[-1].shape[0] > 4:
        half = levels[-1].shape[0] // 2
        levels.append(cv2.resize(levels[-1], (half, half), interpolation=cv2.INTER_AREA))
    return levels
