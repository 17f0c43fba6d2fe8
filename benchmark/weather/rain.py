"""Rain: layers of motion-blurred streaks at several distances, and the veil of distant rain.

The composition follows the heavy-rain model of Li, Cheong & Tan, "Heavy Rain Image Restoration",
CVPR 2019, I = T (J + sum_i S_i) + (1 - T) A, with streak layers S_i and a veil of distant rain of
transmission T and light A; here the streaks that show one by one lie in front of the veil, as near
rain does: I = T J + (1 - T) A + sum_i S_i. Streaks either add their light (as in Yang et al., CVPR
2017, equation (1): O = B + S) or also hide what is behind them, in proportion to the share of the
exposure during which a drop covers the pixel (Garg & Nayar, "Vision and Rain", IJCV 2007).
"""

import math

import numpy as np

from benchmark.weather.haze import draw_airlight, koschmieder
from benchmark.weather.layers import (
    blur,
    draw_lines,
    log_uniform,
    poisson_points,
    smooth_field,
    three,
)

# One row a distance: drops a pixel, streak length and width (sigma), mean brightness, and how
# often a picture shows that layer. Ranges are log-uniform.
_LAYERS = {
    "mist": ((6e-3, 3e-2), (5.0, 35.0), (0.45, 0.75), (0.03, 0.10), 0.45),
    "far": ((3e-3, 1e-2), (8.0, 28.0), (0.35, 0.85), (0.10, 0.20), 0.75),
    "middle": ((1.3e-3, 4e-3), (16.0, 60.0), (0.4, 1.1), (0.16, 0.36), 0.85),
    "near": ((3e-5, 3e-4), (50.0, 160.0), (1.1, 3.0), (0.08, 0.28), 0.35),
}


def add_rain(image, strength, rng):
    """Rainy image. image: float32 (H, W, 3) in [0, 1]; strength in (0, 1].

    Returns (image, not yet clipped to [0, 1]; parameters).
    """
    shape = image.shape[:2]
    angle = float(np.clip(rng.normal(0.0, math.radians(15)), -0.8, 0.8))
    spread = math.radians(log_uniform((0.5, 5.0), rng))
    parameters = {"angle_degrees": round(math.degrees(angle), 3), "layers": []}

    streaks = np.zeros(shape, np.float32)
    present = [name for name, row in _LAYERS.items() if rng.random() < row[-1]]
    if not {"far", "middle"} & set(present):  # what one calls rain
        present.append("middle")
    for name in present:
        layer, drawn = _streak_layer(shape, name, strength, angle, spread, rng)
        streaks += layer
        parameters["layers"].append(drawn)

    veil = _veil_density(strength, rng)
    if veil > 0:
        image, parameters["veil"] = _add_veil(image, veil, rng)
    return _compose(image, streaks, rng, parameters), parameters


def _streak_layer(shape, name, strength, angle, spread, rng):
    """One layer of streaks (H, W) and what was drawn for it."""
    densities, lengths, widths, brightnesses, _ = _LAYERS[name]
    density = log_uniform(densities, rng) * (0.3 + 1.0 * strength)
    length, sigma = log_uniform(lengths, rng), log_uniform(widths, rng)
    brightness = log_uniform(brightnesses, rng) * min(1.0, 4 * strength) * (0.5 + 0.8 * strength)

    x, y = poisson_points(shape, density, length / 2, rng)
    count = x.size
    lengths_drawn = length * rng.uniform(0.5, 1.4, count)
    # Drops of all sizes at all distances within the layer: many faint streaks and a few bright.
    weights = brightness * np.minimum(rng.gamma(1.6, 1 / 1.6, count), 4.0)
    layer = draw_lines(
        shape, x, y, angle + rng.normal(0.0, spread, count), lengths_drawn, weights, sigma, rng
    )
    if rng.random() < 0.3:  # gusts: sheets of denser rain
        layer = layer * (0.4 + 1.2 * smooth_field(shape, float(rng.uniform(60, 200)), rng))
    return layer, {
        "layer": name,
        "streaks": count,
        "length": round(length, 3),
        "sigma": round(sigma, 3),
        "brightness": round(brightness, 4),
    }


def _veil_density(strength, rng):
    """Optical depth of the rain between: none in showers, up to about 1 in a downpour."""
    if rng.random() < 0.5:
        return 0.0
    return float(rng.uniform(0.0, 1.0)) * strength**1.5


def _add_veil(image, density, rng):
    shape = image.shape[:2]
    # Rain thickens with distance as haze does, but near rain veils too: a weak vertical trend.
    rows = np.linspace(1.0, float(rng.uniform(0.3, 1.0)), shape[0], dtype=np.float32)[:, None]
    uneven = 0.7 + 0.6 * smooth_field(shape, max(shape) * 0.5, rng)
    transmission = np.exp(-np.float32(density) * rows * uneven)
    airlight, parameters = draw_airlight(shape, rng)
    dim = float(rng.uniform(0.7, 1.0))  # rain clouds are darker than fog lit by the sky
    parameters |= {"density": round(density, 4), "dim": round(dim, 4)}
    softness = float(rng.uniform(0.0, 0.8)) * density
    veiled = koschmieder(blur(image, softness), transmission, [a * dim for a in airlight])
    return veiled, parameters


def _compose(image, streaks, rng, parameters):
    """Puts the streaks over the image, adding light or also covering the background."""
    light = float(rng.uniform(0.75, 1.0))
    if rng.random() < 0.6:
        parameters["composition"] = "additive"
        return image + three(streaks)
    parameters |= {"composition": "covering", "light": round(light, 4)}
    clear = np.exp(np.float32(-1.6) * streaks)
    return koschmieder(image, clear, [light] * 3)
