"""Two or three kinds of weather in one picture, in the order in which the light meets them."""

from typing import Any

import numpy as np

from benchmark.weather.haze import add_haze
from benchmark.weather.layers import Image
from benchmark.weather.rain import add_rain
from benchmark.weather.raindrop import add_raindrops
from benchmark.weather.snow import add_snow

# From the scene to the lens: haze lies between all things, rain and snow fall nearer, drops are on
# the glass.
COMBINATIONS = (
    ("haze", "rain"),
    ("haze", "snow"),
    ("haze", "raindrop"),
    ("rain", "raindrop"),
    ("snow", "raindrop"),
    ("haze", "rain", "raindrop"),
    ("haze", "snow", "raindrop"),
)
_ADD = {"haze": add_haze, "rain": add_rain, "snow": add_snow, "raindrop": add_raindrops}
_SHARES = (0.6, 0.95)  # strength of each kind over that of the mix; chosen by eye


def add_mix(
    image: Image, strength: float, rng: np.random.Generator
) -> tuple[Image, dict[str, Any]]:
    """Image with two or three kinds of weather; all combinations are equally frequent.

    image: float32 (H, W, 3) in [0, 1]; strength in (0, 1]. Returns (image (H, W, 3), not yet
    clipped to [0, 1]; what was drawn for each kind).
    """
    kinds = COMBINATIONS[int(rng.integers(len(COMBINATIONS)))]
    parts = []
    for kind in kinds:
        share = strength * float(rng.uniform(*_SHARES))
        image, drawn = _ADD[kind](image.clip(0.0, 1.0), share, rng)
        parts.append({"weather": kind, "strength": round(share, 4), **drawn})
    return image, {"parts": parts}
