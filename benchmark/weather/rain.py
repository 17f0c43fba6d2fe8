"""Rain: layers of motion-blurred streaks at several distances, and the veil of distant rain.

The composition follows the heavy-rain model of Li, Cheong and Tan, "Heavy Rain Image Restoration",
CVPR 2019: I = T (J + Σ_i S_i) + (1 - T) A, with streak layers S_i and a veil of distant rain of
transmission T and light A. Here streaks that are visible one by one lie in front of the veil, as
near rain does: I = T J + (1 - T) A + Σ_i S_i. Streaks add their light (as in Yang et al., CVPR
2017, equation (1): O = B + S), or also hide the background, in proportion to the share of the
exposure during which a drop covers the pixel (Garg and Nayar, "Vision and Rain", IJCV 2007).

No paper gives streaks per pixel of a photograph. The ranges of numbers here were chosen by eye, so
that photographs of 480 to 720 pixels width look rainy. Published values to compare with: the
authors' code of Li et al. draws streaks of 21 to 60 pixels and angles up to 10° from the vertical.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from benchmark.weather.haze import draw_airlight, koschmieder
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

Range = tuple[float, float]


class _Layer(NamedTuple):
    """Rain at one distance. All four ranges are log-uniform; chosen by eye (see above)."""

    densities: Range  # streaks a pixel, at strength 0.7
    lengths: Range  # pixels: the speed of the drops times the exposure
    widths: Range  # pixels: standard deviation across the streak; grows as the distance falls
    brightnesses: Range  # light that a streak adds at its middle, of [0, 1]
    share: float  # of rainy images that show this layer


# Nearer layers have fewer, longer and wider streaks: perspective. The nearest are out of focus,
# hence wide and faint; those of "mist" are too dense to be seen one by one.
_LAYERS = {
    "mist": _Layer((6e-3, 3e-2), (5.0, 35.0), (0.45, 0.75), (0.03, 0.10), 0.45),
    "far": _Layer((3e-3, 1e-2), (8.0, 28.0), (0.35, 0.85), (0.10, 0.20), 0.75),
    "middle": _Layer((1.3e-3, 4e-3), (16.0, 60.0), (0.4, 1.1), (0.16, 0.36), 0.85),
    "near": _Layer((3e-5, 3e-4), (50.0, 160.0), (1.1, 3.0), (0.08, 0.28), 0.35),
}
_TYPICAL = {"far", "middle"}  # every rainy image shows one of these two


def add_rain(
    image: Image, strength: float, rng: np.random.Generator
) -> tuple[Image, dict[str, Any]]:
    """Rainy image. image: float32 (H, W, 3) in [0, 1]; strength in (0, 1].

    Returns (image (H, W, 3), not yet clipped to [0, 1]; what was drawn).
    """
    shape = image.shape[:2]
    # Radians from the vertical: at most 46°. Streaks of one image differ by 0.5° to 5°.
    angle = float(np.clip(rng.normal(0.0, math.radians(15)), -0.8, 0.8))
    spread = math.radians(log_uniform((0.5, 5.0), rng))

    names = [name for name, layer in _LAYERS.items() if rng.random() < layer.share]
    if not _TYPICAL & set(names):
        names.append("middle")
    streaks = np.zeros(shape, np.float32)
    layers_drawn = []
    for name in names:
        layer, layer_drawn = _streak_layer(shape, name, strength, angle, spread, rng)
        streaks += layer
        layers_drawn.append(layer_drawn)
    drawn = {"angle_degrees": round(math.degrees(angle), 3), "layers": layers_drawn}

    density = _veil_density(strength, rng)
    if density > 0:
        image, drawn["veil"] = _add_veil(image, density, rng)
    image, composition = _compose(image, streaks, rng)
    return image, {**drawn, **composition}


def _streak_layer(
    shape: tuple[int, int],
    name: str,
    strength: float,
    angle: float,
    spread: float,
    rng: np.random.Generator,
) -> tuple[Plane, dict[str, Any]]:
    """One layer of streaks, float32 (H, W) >= 0, and what was drawn for it.

    angle, spread: mean and standard deviation of the streaks' angles, in radians. The factors with
    the strength make rain vanish continuously as strength does; they were chosen by eye.
    """
    ranges = _LAYERS[name]
    density = log_uniform(ranges.densities, rng) * (0.3 + 1.0 * strength)
    length, sigma = log_uniform(ranges.lengths, rng), log_uniform(ranges.widths, rng)
    brightness = log_uniform(ranges.brightnesses, rng) * min(1.0, 4 * strength)
    brightness *= 0.5 + 0.8 * strength

    x, y = poisson_points(shape, density, length / 2, rng)
    count = x.size
    lengths = length * rng.uniform(0.5, 1.4, count)
    # Drops of all sizes, at all distances within the layer: many faint streaks and a few bright
    # ones. A gamma distribution of mean 1.
    weights = brightness * np.minimum(rng.gamma(1.6, 1 / 1.6, count), 4.0)
    angles = angle + rng.normal(0.0, spread, count)
    layer = draw_lines(shape, x, y, angles, lengths, weights, sigma, rng)
    if rng.random() < 0.3:  # gusts: sheets of denser rain
        layer = layer * (0.4 + 1.2 * smooth_field(shape, float(rng.uniform(60, 200)), rng))
    return layer, {
        "layer": name,
        "streaks": count,
        "length": round(length, 3),
        "sigma": round(sigma, 3),
        "brightness": round(brightness, 4),
    }


def _veil_density(strength: float, rng: np.random.Generator) -> float:
    """Optical depth of the rain between camera and scene: 0 in showers, up to 1 in a downpour.

    Half of the images have no veil. For comparison: the code of Halder, Lalonde and de Charette
    ("Physics-Based Rendering for Improving Robustness to Rain", ICCV 2019) takes an extinction of
    0.312 R^0.67 per km for a rain rate of R mm/h: an optical depth of 0.27 in 100 m at 25 mm/h and
    of 0.68 at 100 mm/h. The exponent of the strength was chosen by eye.
    """
    if rng.random() < 0.5:
        return 0.0
    return float(rng.uniform(0.0, 1.0)) * strength**1.5


def _add_veil(
    image: Image, density: float, rng: np.random.Generator
) -> tuple[Image, dict[str, Any]]:
    """The image (H, W, 3) behind rain of the optical depth `density`, and what was drawn.

    All ranges were chosen by eye.
    """
    shape = image.shape[:2]
    # Rain thickens with distance as haze does, but near rain veils too: a weak vertical trend.
    rows = np.linspace(1.0, float(rng.uniform(0.3, 1.0)), shape[0], dtype=np.float32)[:, None]
    uneven = 0.7 + 0.6 * smooth_field(shape, max(shape) * 0.5, rng)
    transmission = np.exp(-np.float32(density) * rows * uneven)
    airlight, drawn = draw_airlight(shape, rng)
    dim = float(rng.uniform(0.7, 1.0))  # rain clouds are darker than fog lit by the sky
    softness = float(rng.uniform(0.0, 0.8)) * density  # pixels: rain scatters light forward
    veiled = koschmieder(blur(image, softness), transmission, [a * dim for a in airlight])
    return veiled, {**drawn, "density": round(density, 4), "dim": round(dim, 4)}


def _compose(
    image: Image, streaks: Plane, rng: np.random.Generator
) -> tuple[Image, dict[str, Any]]:
    """The streaks over the image: they add light (60 %), or also cover the background.

    Covering streaks of summed brightness s have the transmission exp(-1.6 s) and one grey level.
    The share, the factor and the level were chosen by eye.
    """
    light = float(rng.uniform(0.75, 1.0))
    if rng.random() < 0.6:
        return image + three(streaks), {"composition": "additive"}
    clear = np.exp(np.float32(-1.6) * streaks)
    covered = koschmieder(image, clear, [light] * 3)
    return covered, {"composition": "covering", "light": round(light, 4)}
