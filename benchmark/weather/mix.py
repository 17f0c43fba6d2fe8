"""Two or three kinds of weather in one picture, in the order in which the light meets them."""

from benchmark.weather.haze import add_haze
from benchmark.weather.rain import add_rain
from benchmark.weather.raindrop import add_raindrops
from benchmark.weather.snow import add_snow

# From the scene to the lens: haze lies between everything, rain and snow fall nearer, drops sit on
# the glass.
_COMBINATIONS = (
    ("haze", "rain"),
    ("haze", "snow"),
    ("haze", "raindrop"),
    ("rain", "raindrop"),
    ("snow", "raindrop"),
    ("haze", "rain", "raindrop"),
    ("haze", "snow", "raindrop"),
)
_ADD = {"haze": add_haze, "rain": add_rain, "snow": add_snow, "raindrop": add_raindrops}


def add_mix(image, strength, rng):
    """Image with two or three kinds of weather. Arguments and result as for the single kinds."""
    kinds = _COMBINATIONS[int(rng.integers(len(_COMBINATIONS)))]
    parts = []
    for kind in kinds:
        share = strength * float(rng.uniform(0.6, 0.95))
        image, parameters = _ADD[kind](image.clip(0.0, 1.0), share, rng)
        parts.append({"weather": kind, "strength": round(share, 4), **parameters})
    return image, {"parts": parts}
