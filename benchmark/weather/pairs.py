"""Random training pairs: version 2 of the simulation.

Each weather has several recipes: those of the test pairs (version 1, `degrade`; haze is stronger),
and others that imitate public data sets and photographs. Shares and ranges were chosen by eye and
by short trials. docs/datasets.md says how networks restore that were trained on such pairs.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.core.alternatives import Alternatives
from benchmark.weather.details import add_details, stored
from benchmark.weather.drop_look import draw_bright_look, draw_sharp_look
from benchmark.weather.haze import add_haze
from benchmark.weather.layers import Image, smooth_field, three
from benchmark.weather.mix import COMBINATIONS
from benchmark.weather.rain import add_rain
from benchmark.weather.raindrop import add_raindrops
from benchmark.weather.snow import add_snow
from benchmark.weather.streaks import add_dense_rain, add_sharp_rain, streak_texture
from benchmark.weather.veil import add_veil
from benchmark.weather.view import random_view

Recipe = Callable[[Image, float, np.random.Generator], tuple[Image, dict[str, Any]]]
Recipes = Sequence[tuple[Recipe, float]]  # and the share of each

_SHARES = {"rain": 0.27, "haze": 0.25, "raindrop": 0.32, "snow": 0.1, "mix": 0.06}
_CLEAR_SHARE = 0.14  # pairs without weather: a method must learn to leave clear pictures unchanged
_DETAILS_SHARE = 0.1  # of other pairs with details that look like weather
_CLEAR_DETAILS_SHARE = 0.5  # of clear pairs
_STORED_SHARE = 0.35  # pairs with noise, or as JPEGs
_WHITE_SHARE = 0.35  # of strong haze
_STRONGER = 0.625  # exponent of its strength
_PARTIAL_SHARE = 0.06  # pairs with weather on a part of the picture only


def training_pair(
    photo: NDArray[np.uint8], crop: int, rng: np.random.Generator, weathers: Sequence[str]
) -> tuple[Image, Image]:
    """A random training pair from one photograph.

    photo: uint8 (H, W, 3), sRGB; crop: side of the pair in pixels, >= 1; weathers: the kinds to
    draw from. A square of random size is cut from the photograph, scaled to `crop` and flipped;
    often its tones change, and sometimes it gets details that look like weather. Then a random
    recipe of a random kind of weather of random strength in (0, 1] is added, in some pairs to a
    part of the picture only, in some none. Noise and JPEG compression come to both. Returns (clean,
    degraded), float32 (crop, crop, 3) in [0, 1]. Raises UserError for a photograph or crop that is
    not as described.
    """
    clean = random_view(photo, crop, rng)
    clear = rng.random() < _CLEAR_SHARE
    if rng.random() < (_CLEAR_DETAILS_SHARE if clear else _DETAILS_SHARE):
        clean = add_details(clean, rng)
    if clear:
        return stored(clean, clean.copy(), rng, _STORED_SHARE)
    # In (0, 1], more often strong: faint weather teaches less.
    strength = (1.0 - rng.random()) ** 0.8
    degraded = np.clip(_weathered(clean, strength, rng, weathers), 0.0, 1.0)
    if rng.random() < _PARTIAL_SHARE:
        field = smooth_field((crop, crop), crop * float(rng.uniform(0.4, 1.0)), rng)
        mask = np.clip((field - rng.uniform(0.2, 0.6)) * 5 + 0.5, 0, 1).astype(np.float32)
        degraded = clean + three(mask) * (degraded - clean)
    return stored(clean, degraded, rng, _STORED_SHARE)


def _weathered(
    clean: Image, strength: float, rng: np.random.Generator, weathers: Sequence[str]
) -> Image:
    """The picture with a random kind of weather, (H, W, 3), not yet clipped to [0, 1]."""
    shares = np.array([_SHARES[weather] for weather in weathers])
    weather = str(rng.choice(weathers, p=shares / shares.sum()))
    return _recipe(_RECIPES[weather], rng)(clean, strength, rng)[0]


def _recipe(recipes: Recipes, rng: np.random.Generator) -> Recipe:
    """A random recipe, by its share."""
    return recipes[int(rng.choice(len(recipes), p=[share for _, share in recipes]))][0]


def add_mix(
    image: Image, strength: float, rng: np.random.Generator
) -> tuple[Image, dict[str, Any]]:
    """Two or three kinds of weather by random recipes, in the order in which light meets them."""
    kinds = COMBINATIONS[int(rng.integers(len(COMBINATIONS)))]
    for kind in kinds:
        share = strength * float(rng.uniform(0.5, 0.95))
        image, _ = _recipe(_PARTS[kind], rng)(np.clip(image, 0.0, 1.0), share, rng)
    return image, {"weathers": [*kinds]}


def add_strong_haze(
    image: Image, strength: float, rng: np.random.Generator
) -> tuple[Image, dict[str, Any]]:
    """`add_haze`, more often strong, and often with airlight that saturates the camera.

    Faint haze teaches less, since it looks like a pale scene.
    """
    white = rng.random() < _WHITE_SHARE
    airlight = [float(rng.uniform(0.94, 1.0))] * 3 if white else None
    return add_haze(image, strength**_STRONGER, rng, airlight)


def add_snowfall(
    image: Image, strength: float, rng: np.random.Generator
) -> tuple[Image, dict[str, Any]]:
    """Dense snow: distant flakes too fine to be counted, a veil, and flakes as in `add_snow`."""
    if rng.random() < 0.6:
        image, _ = add_veil(image, 0.6 * strength * float(rng.uniform(0.1, 1.0)), rng)
    length, angle = int(rng.integers(1, 8)), float(rng.normal(0.0, 0.4))
    density = float(rng.uniform(0.02, 0.1)) * (0.2 + 0.8 * strength)
    flakes = streak_texture(image.shape[:2], density, length, 0.6, angle, rng)
    clear = np.exp(-np.float32(rng.uniform(0.1, 0.6) * min(1.0, 4 * strength)) * flakes)
    light = np.float32(rng.uniform(0.8, 1.0))
    image = light + three(clear) * (image - light)
    return add_snow(np.clip(image, 0.0, 1.0), strength, rng)


def add_sharp_drops(
    image: Image, strength: float, rng: np.random.Generator
) -> tuple[Image, dict[str, Any]]:
    """Small drops in focus."""
    abundance = float(rng.uniform(0.1, 0.6))
    return add_raindrops(image, strength, rng, draw_sharp_look(strength, rng), abundance)


def add_bright_drops(
    image: Image, strength: float, rng: np.random.Generator
) -> tuple[Image, dict[str, Any]]:
    """Large bright drops far out of focus."""
    abundance = float(rng.uniform(0.4, 1.5))
    return add_raindrops(image, strength, rng, draw_bright_look(strength, rng), abundance)


# The recipes of each weather and their shares.
_RAIN = ((add_rain, 0.3), (add_sharp_rain, 0.5), (add_dense_rain, 0.2))
_HAZE = ((add_strong_haze, 0.65), (add_veil, 0.35))
_DROPS = ((add_raindrops, 0.5), (add_bright_drops, 0.3), (add_sharp_drops, 0.2))
_SNOW = ((add_snow, 0.65), (add_snowfall, 0.35))
_PARTS = {"rain": _RAIN, "haze": _HAZE, "raindrop": _DROPS, "snow": _SNOW}  # of a mix
_RECIPES: Alternatives = {
    "rain": _RAIN,
    "haze": _HAZE,
    "raindrop": _DROPS,
    "snow": _SNOW,
    "mix": ((add_mix, 1.0),),
}
