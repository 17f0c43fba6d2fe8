"""Rain as in public deraining sets, and dense rain as in photographs.

Rain100L and Rain100H (Yang et al., CVPR 2017) add long, sharp, nearly parallel streaks: one
direction in L, five in H. In 13 pairs of Rain100L, 7 to 30 % of the pixels are brighter by more
than 0.03, and the brightest 1 % of these by 0.24 to 0.63.

Photographs show more often rain too fine and dense to be counted, nearly vertical. A drop is a
wide-angle lens: its brightness hardly depends on what is behind it, and it covers a pixel during a
part of the exposure only (Garg and Nayar, "Vision and Rain", IJCV 2007). So dense rain attenuates
and adds, I = J (1 - α) + L α: it is bright on dark ground, and dark on bright ground. Heavy rain is
veiled (Li, Cheong and Tan, CVPR 2019: airlight 0.3 to 0.95, streaks of 21 to 60 pixels, angles up
to 10° from the vertical). Other ranges were chosen by eye.
"""

import math
from typing import Any

import cv2
import numpy as np

from benchmark.weather.layers import (
    Image,
    Plane,
    blur,
    draw_lines,
    log_uniform,
    poisson_points,
    smooth_field,
    three,
)
from benchmark.weather.light import cover
from benchmark.weather.veil import add_veil

_MOST_DIRECTIONS = 5  # of streaks in Rain100H
_MANY_SHARE = 0.35  # of pictures with sharp streaks that have several directions


def add_sharp_rain(
    image: Image, strength: float, rng: np.random.Generator
) -> tuple[Image, dict[str, Any]]:
    """Sharp parallel streaks, added. image: float32 (H, W, 3) in [0, 1]; strength in (0, 1].

    Returns (image (H, W, 3), not yet clipped to [0, 1]; what was drawn).
    """
    many = rng.random() < _MANY_SHARE * strength
    directions = int(rng.integers(2, _MOST_DIRECTIONS + 1)) if many else 1
    streaks, layers = np.zeros(image.shape[:2], np.float32), []
    for _ in range(directions):
        layer, drawn = _sharp_layer(image.shape[:2], strength, rng)
        streaks += layer
        layers.append(drawn)
    return image + three(streaks), {"layers": layers}


def _sharp_layer(
    shape: tuple[int, int], strength: float, rng: np.random.Generator
) -> tuple[Plane, dict[str, Any]]:
    """Streaks of one direction, float32 (H, W) >= 0, and what was drawn for them."""
    angle = float(np.clip(rng.normal(0.0, math.radians(16)), -0.9, 0.9))
    spread = math.radians(log_uniform((0.1, 2.5), rng))
    length, sigma = log_uniform((18.0, 110.0), rng), log_uniform((0.45, 1.1), rng)
    # Long streaks are fewer: the share of covered pixels varies less than the length.
    density = log_uniform((0.06, 0.32), rng) / length * (0.25 + 0.75 * strength)
    brightness = log_uniform((0.12, 0.55), rng) * min(1.0, 4 * strength)
    ripple = float(rng.uniform(0.2, 1.0))  # to 1: streaks in beads
    x, y = poisson_points(shape, density, length / 2, rng)
    count = x.size
    lengths = length * rng.uniform(0.4, 1.4, count)
    weights = brightness * np.minimum(rng.gamma(2.0, 0.5, count), 3.0)
    angles = angle + rng.normal(0.0, spread, count)
    layer = draw_lines(shape, x, y, angles, lengths, weights, sigma, rng, ripple)
    return layer, {
        "streaks": count,
        "angle_degrees": round(math.degrees(angle), 3),
        "length": round(length, 3),
        "sigma": round(sigma, 3),
        "brightness": round(brightness, 4),
    }


def add_dense_rain(
    image: Image, strength: float, rng: np.random.Generator
) -> tuple[Image, dict[str, Any]]:
    """Fine, dense, nearly vertical rain, often with its veil. Arguments and result as above."""
    shape = image.shape[:2]
    drawn: dict[str, Any] = {}
    if rng.random() < 0.3 + 0.5 * strength:
        share = strength * float(rng.uniform(0.05, 0.8))
        softness = float(rng.uniform(0.0, 0.8)) * share  # pixels: rain scatters light forward
        image, drawn["veil"] = add_veil(blur(image, softness), share, rng)
    angle = float(rng.normal(0.0, math.radians(7)))
    opacity = np.zeros(shape, np.float32)
    for _ in range(int(rng.integers(1, 3))):
        opacity += _texture_layer(shape, strength, angle, rng)
    if rng.random() < 0.3:  # gusts: sheets of denser rain
        opacity *= 0.4 + 1.2 * smooth_field(shape, float(rng.uniform(60, 200)), rng)
    mean = float(np.mean(cv2.mean(image)[:3]))
    # From the mean of the scene, which a drop shows, to the sky behind the camera.
    light = float(np.clip(mean * rng.uniform(0.9, 2.2), 0.25, 1.0))
    linear = bool(rng.random() < 0.4)
    cold = float(rng.uniform(0.0, 0.03))
    result = cover(image, np.exp(-opacity), (light - cold, light, min(1.0, light + cold)), linear)
    return result, {
        **drawn,
        "angle_degrees": round(math.degrees(angle), 3),
        "light": round(light, 4),
        "linear": linear,
    }


def _texture_layer(
    shape: tuple[int, int], strength: float, angle: float, rng: np.random.Generator
) -> Plane:
    """Optical depth (H, W) >= 0 of one layer of dense rain; angle: in radians from the vertical."""
    length = round(log_uniform((6.0, 45.0), rng))
    covered = log_uniform((0.15, 1.5), rng) * (0.2 + 0.8 * strength)  # drops over each pixel
    sigma = float(rng.uniform(0.35, 0.8))
    depth = log_uniform((0.06, 0.35), rng) * min(1.0, 4 * strength)
    return np.float32(depth) * streak_texture(shape, covered / length, length, sigma, angle, rng)


def streak_texture(
    shape: tuple[int, int],
    density: float,
    length: int,
    sigma: float,
    angle: float,
    rng: np.random.Generator,
) -> Plane:
    """Many faint streaks of one length and direction: motion-blurred noise, sheared.

    It costs the same for any number of streaks, unlike `draw_lines`. density: drops a pixel, in
    [0, 1]; length: in pixels, >= 1; sigma: standard deviation across, in pixels; angle: in radians
    from the vertical. Returns (H, W) >= 0; a single streak has the brightness 1 to 2 at its middle.
    """
    height, width = shape
    slope = math.tan(float(np.clip(angle, -0.9, 0.9)))
    margin = math.ceil(abs(slope) * height) + 2
    drops = rng.random((height + 2 * length, width + margin), dtype=np.float32)
    # One uniform number decides whether there is a drop, and how bright it is.
    drops = np.maximum(drops - np.float32(1 - density), 0) / np.float32(max(density, 1e-6))
    drops += drops > 0
    streaks = cv2.blur(drops, (1, length), borderType=cv2.BORDER_REFLECT) * np.float32(length)
    streaks = blur(streaks, sigma) * np.float32(max(1.0, sigma * math.sqrt(2 * math.pi)))
    shift = margin - 1 if slope > 0 else 1
    matrix = np.array([[1.0, slope, -shift], [0.0, 1.0, -length]])
    matrix[0, 2] -= slope * length
    return cv2.warpAffine(streaks, matrix, (width, height), flags=cv2.INTER_LINEAR)
