"""Snow: flakes of several sizes and distances, with motion blur, defocus and a light veil.

The composition is that of Liu et al., "DesnowNet", TIP 2018, equation (1): I = M A + (1 - M) J with
the flakes' opacity M and colour A; the veil of distant flakes follows JSTASR (Chen et al., ECCV
2020), which adds Koschmieder's law below the flakes.
"""

import functools
import math

import numpy as np

from benchmark.weather.haze import draw_airlight, koschmieder
from benchmark.weather.layers import (
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
def _flake_shapes():
    return blob_pyramids(count=64, lobes=(2, 7), roughness=0.5, seed=20180401)


def add_snow(image, strength, rng):
    """Snowy image. image: float32 (H, W, 3) in [0, 1]; strength in (0, 1].

    Returns (image, parameters).
    """
    shape = image.shape[:2]
    wind = float(rng.normal(0.0, 0.45))
    speed = log_uniform((0.3, 5.0), rng)  # length of the motion blur in flake sizes
    parameters = {"wind_degrees": round(math.degrees(wind), 3), "speed": round(speed, 4)}

    if rng.random() < 0.55:
        image, parameters["veil"] = _add_veil(image, strength, rng)
    opacity = _small_flakes(shape, strength, wind, speed, rng, parameters)
    clear = 1 - opacity
    if rng.random() < 0.7 + 0.6 * strength:
        clear *= 1 - _shaped_flakes(shape, strength, wind, speed, rng, parameters)
    if rng.random() < 0.4:
        clear *= 1 - _near_flakes(shape, strength, wind, speed, rng, parameters)

    light = float(rng.uniform(0.8, 1.0))
    cold = float(rng.uniform(0.0, 0.04))
    colour = [light - cold, light - cold / 2, light]
    parameters["colour"] = [round(c, 4) for c in colour]
    return koschmieder(image, clear, colour), parameters


def _fade(strength):
    """Opacity that goes to zero with the strength, so that clear weather is a limit of snow."""
    return min(1.0, 0.35 + 2.5 * strength) * min(1.0, 6 * strength)


def _add_veil(image, strength, rng):
    density = float(rng.uniform(0.0, 0.9)) * strength
    airlight, parameters = draw_airlight(image.shape[:2], rng)
    uneven = 0.7 + 0.6 * smooth_field(image.shape[:2], max(image.shape) * 0.5, rng)
    transmission = np.exp(-np.float32(density) * uneven)
    parameters["density"] = round(density, 4)
    return koschmieder(image, transmission, airlight), parameters


def _small_flakes(shape, strength, wind, speed, rng, parameters):
    """Distant flakes: dots and short dashes of a pixel or two. Opacity (H, W) in [0, 1]."""
    density = log_uniform((6e-3, 2e-2), rng) * (0.2 + strength)
    sigma = float(rng.uniform(0.5, 1.1))
    x, y = poisson_points(shape, density, 6, rng)
    count = x.size
    length = np.maximum(0.6, 2 * sigma * speed * rng.uniform(0.5, 1.5, count))
    weight = rng.uniform(0.15, 0.9, count) * _fade(strength)
    angle = wind + rng.normal(0.0, 0.25, count)
    # A dot (shorter than the blur) loses its peak in both directions, a line only across.
    weight *= np.maximum(1.0, 2.5 * sigma / np.maximum(length, 1.0))
    parameters["small"] = {"flakes": count, "sigma": round(sigma, 3)}
    return 1 - np.exp(-draw_lines(shape, x, y, angle, length, weight, sigma, rng))


def _shaped_flakes(shape, strength, wind, speed, rng, parameters):
    """Flakes big enough to show their shape: 3 to 14 pixels."""
    density = log_uniform((7e-4, 2.5e-3), rng) * (0.15 + strength)
    typical = log_uniform((3.5, 8.0), rng)
    defocus = float(rng.uniform(0.3, 1.2))
    opacity, count = _stamp_flakes(
        shape, density, typical, (0.4, 1.0), min(speed, 2.5), wind, _fade(strength), rng
    )
    parameters["shaped"] = {"flakes": count, "size": round(typical, 3), "blur": round(defocus, 3)}
    return blur(opacity, defocus)


def _near_flakes(shape, strength, wind, speed, rng, parameters):
    """Flakes right before the lens: few, big, out of focus, see-through."""
    density = log_uniform((6e-5, 4e-4), rng) * (0.2 + strength)
    typical = log_uniform((10.0, 26.0), rng)
    defocus = typical * float(rng.uniform(0.12, 0.25))
    opacity, count = _stamp_flakes(
        shape, density, typical, (0.15, 0.6), min(speed, 2.0), wind, _fade(strength), rng
    )
    parameters["near"] = {"flakes": count, "size": round(typical, 3), "blur": round(defocus, 3)}
    return blur(opacity, defocus)


def _stamp_flakes(shape, density, typical, opacities, speed, wind, fade, rng):
    """Irregular flakes, longer along the wind by their motion. Opacity (H, W), and the number."""
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
