"""Snow: flakes of several sizes and distances, with motion blur, defocus and a light veil.

The composition is that of Liu et al., "DesnowNet", IEEE TIP 2018, equation (1): I = M A + (1 - M) J
with the flakes' opacity M and colour A. The veil of distant flakes follows JSTASR (Chen et al.,
ECCV 2020), which puts Koschmieder's law behind the flakes.

No paper gives flakes per pixel of a photograph. All ranges of numbers here were chosen by eye, so
that photographs of 480 to 720 pixels width look snowy. Flakes of 1 to 10 mm are usual, and their
sizes are exponentially distributed (Gunn and Marshall, J. Meteorology 1958): hence few large ones.
"""

import functools
import math
from typing import Any

import numpy as np

from benchmark.weather.haze import draw_airlight, koschmieder
from benchmark.weather.layers import (
    Image,
    Plane,
    Pyramid,
    blob_pyramids,
    blur,
    draw_lines,
    log_uniform,
    place_sprite,
    poisson_points,
    smooth_field,
    window,
)


@functools.cache
def _flake_shapes() -> list[Pyramid]:
    return blob_pyramids(count=64, lobes=(2, 7), roughness=0.5, seed=20180401)


def add_snow(
    image: Image, strength: float, rng: np.random.Generator
) -> tuple[Image, dict[str, Any]]:
    """Snowy image. image: float32 (H, W, 3) in [0, 1]; strength in (0, 1].

    Returns (image (H, W, 3), not yet clipped to [0, 1]; what was drawn).
    """
    shape = image.shape[:2]
    wind = float(rng.normal(0.0, 0.45))  # radians from the vertical
    speed = log_uniform((0.3, 5.0), rng)  # length of the motion blur in flake sizes
    drawn = {"wind_degrees": round(math.degrees(wind), 3), "speed": round(speed, 4)}

    if rng.random() < 0.55:
        image, drawn["veil"] = _add_veil(image, strength, rng)
    opacity, drawn["small"] = _small_flakes(shape, strength, wind, speed, rng)
    clear = 1 - opacity
    if rng.random() < 0.7 + 0.6 * strength:
        opacity, drawn["shaped"] = _shaped_flakes(shape, strength, wind, speed, rng)
        clear *= 1 - opacity
    if rng.random() < 0.4:
        opacity, drawn["near"] = _near_flakes(shape, strength, wind, speed, rng)
        clear *= 1 - opacity

    light = float(rng.uniform(0.8, 1.0))
    cold = float(rng.uniform(0.0, 0.04))  # a trace of blue
    colour = [light - cold, light - cold / 2, light]
    drawn["colour"] = [round(c, 4) for c in colour]
    return koschmieder(image, clear, colour), drawn


def _fade(strength: float) -> float:
    """Factor in [0, 1] of the opacity: 0 at strength 0, so that faint snow nears clear weather."""
    return min(1.0, 0.35 + 2.5 * strength) * min(1.0, 6 * strength)


def _add_veil(
    image: Image, strength: float, rng: np.random.Generator
) -> tuple[Image, dict[str, Any]]:
    """The image (H, W, 3) behind distant snow of an optical depth up to 0.9, and what was drawn."""
    density = float(rng.uniform(0.0, 0.9)) * strength
    airlight, drawn = draw_airlight(image.shape[:2], rng)
    uneven = 0.7 + 0.6 * smooth_field(image.shape[:2], max(image.shape) * 0.5, rng)
    transmission = np.exp(-np.float32(density) * uneven)
    veiled = koschmieder(image, transmission, airlight)
    return veiled, {**drawn, "density": round(density, 4)}


def _small_flakes(
    shape: tuple[int, int], strength: float, wind: float, speed: float, rng: np.random.Generator
) -> tuple[Plane, dict[str, Any]]:
    """Distant flakes: dots and short dashes of a pixel or two.

    wind: angle in radians; speed: motion blur in flake sizes. Returns the opacity (H, W) in [0, 1]
    and what was drawn.
    """
    density = log_uniform((6e-3, 2e-2), rng) * (0.2 + strength)  # flakes a pixel
    sigma = float(rng.uniform(0.5, 1.1))
    x, y = poisson_points(shape, density, 6, rng)
    count = x.size
    length = np.maximum(0.6, 2 * sigma * speed * rng.uniform(0.5, 1.5, count))
    weight = rng.uniform(0.15, 0.9, count) * _fade(strength)
    angle = wind + rng.normal(0.0, 0.25, count)
    # The blur lowers the peak of a dot (shorter than the blur) in both directions, that of a line
    # in one.
    weight *= np.maximum(1.0, 2.5 * sigma / np.maximum(length, 1.0))
    opacity = 1 - np.exp(-draw_lines(shape, x, y, angle, length, weight, sigma, rng))
    return opacity, {"flakes": count, "sigma": round(sigma, 3)}


def _shaped_flakes(
    shape: tuple[int, int], strength: float, wind: float, speed: float, rng: np.random.Generator
) -> tuple[Plane, dict[str, Any]]:
    """Flakes big enough to show their shape: 3 to 14 pixels. As `_small_flakes`."""
    density = log_uniform((7e-4, 2.5e-3), rng) * (0.15 + strength)
    typical = log_uniform((3.5, 8.0), rng)
    defocus = float(rng.uniform(0.3, 1.2))
    opacity, count = _stamp_flakes(
        shape, density, typical, (0.4, 1.0), min(speed, 2.5), wind, _fade(strength), rng
    )
    drawn = {"flakes": count, "size": round(typical, 3), "blur": round(defocus, 3)}
    return blur(opacity, defocus), drawn


def _near_flakes(
    shape: tuple[int, int], strength: float, wind: float, speed: float, rng: np.random.Generator
) -> tuple[Plane, dict[str, Any]]:
    """Flakes close to the lens: few, large, out of focus, translucent. As `_small_flakes`."""
    density = log_uniform((6e-5, 4e-4), rng) * (0.2 + strength)
    typical = log_uniform((10.0, 26.0), rng)
    defocus = typical * float(rng.uniform(0.12, 0.25))
    opacity, count = _stamp_flakes(
        shape, density, typical, (0.15, 0.6), min(speed, 2.0), wind, _fade(strength), rng
    )
    drawn = {"flakes": count, "size": round(typical, 3), "blur": round(defocus, 3)}
    return blur(opacity, defocus), drawn


def _stamp_flakes(
    shape: tuple[int, int],
    density: float,
    typical: float,
    opacities: tuple[float, float],
    speed: float,
    wind: float,
    fade: float,
    rng: np.random.Generator,
) -> tuple[Plane, int]:
    """Irregular flakes, made longer along the wind by their motion.

    density: flakes a pixel; typical: their size in pixels; opacities: range, in [0, 1]; speed:
    motion blur in flake sizes; wind: angle in radians; fade: factor of the opacity. Returns the
    opacity (H, W) in [0, 1] and the number of flakes.
    """
    canvas = np.zeros(shape, np.float32)
    x, y = poisson_points(shape, density, typical, rng)
    count = x.size
    size = typical * np.clip(rng.lognormal(-0.1, 0.4, count), 0.3, 2.0)
    angle = wind + rng.normal(0.0, 0.3, count)
    stretch = 1.0 + 0.5 * speed * rng.uniform(0.0, 1.0, count)
    opacity = rng.uniform(*opacities, count) * fade
    kind = rng.integers(len(_flake_shapes()), size=count)
    for i in range(count):
        box = window(shape, x[i], y[i], 0.8 * size[i] * stretch[i] + 1)
        if box is None:
            continue
        sprite = _flake_shapes()[kind[i]]
        long_side = 1.3 * size[i] * stretch[i]
        mask = place_sprite(sprite, box, x[i], y[i], (1.3 * size[i], long_side), -angle[i])
        here = np.s_[box[0] : box[1], box[2] : box[3]]
        canvas[here] = np.maximum(canvas[here], mask * np.float32(opacity[i]))
    return canvas, count
