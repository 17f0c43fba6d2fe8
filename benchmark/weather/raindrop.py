"""Raindrops on the lens or on a window in front of it: small, defocused, upside-down wide views.

A drop on glass is a strong lens (Roser & Geiger, ICCV Workshops 2009; von Bernuth et al., ITSC
2018): it shows a compressed, inverted picture of a wide part of the scene, with the sky in its
lower half. The camera focuses on the scene, so the drop is blurred by the lens, often into soft
discs or polygons with the shape of the aperture. The picture is I = (1 - M) B + R as in Qian et
al., CVPR 2018, equation (1), with a soft matte M. The glass between the drops stays clear: no haze.
"""

import functools

import cv2
import numpy as np

from benchmark.weather.haze import koschmieder
from benchmark.weather.layers import (
    blob_pyramids,
    log_uniform,
    place_sprite,
    pyramid,
    smooth_field,
    three,
    wide_blur,
    window,
)

_DROPS_PER_PIXEL = 1.5e-3  # at full strength


@functools.cache
def _drop_shapes():
    return blob_pyramids(count=32, lobes=(2, 6), roughness=0.25, seed=20180618)


@functools.cache
def _bokeh_shapes():
    """Filled regular polygons and a disc: the aperture of lenses with 5 to 9 blades."""
    side, masks = 64, []
    for blades in (5, 6, 6, 7, 8, 9, 48):
        turns = np.arange(blades) * 2 * np.pi / blades
        corners = np.stack((np.cos(turns), np.sin(turns)), axis=1) * 0.42 * side + side / 2
        mask = np.zeros((side, side), np.uint8)
        cv2.fillPoly(mask, [np.round(corners * 256).astype(np.int32)], 255, cv2.LINE_AA, 8)
        masks.append(pyramid(mask.astype(np.float32) / 255))
    return masks


def add_raindrops(image, strength, rng):
    """Image seen through drops. image: float32 (H, W, 3) in [0, 1]; strength in (0, 1].

    Returns (image, not yet clipped to [0, 1]; parameters).
    """
    shape = image.shape[:2]
    parameters = _draw_look(strength, rng)
    maps = _DropMaps(shape)
    count = int(rng.poisson(_expected_drops(shape, strength, parameters)))
    if strength > 0.08:
        count = max(count, 1)
    for _ in range(count):
        _place_drop(maps, parameters, rng)
    parameters["drops"] = count

    matte = three(wide_blur(maps.matte, parameters["defocus"]))
    view = _refracted_view(image, maps, parameters)
    result = image + matte * (view - image)
    if parameters["highlight"] > 0:
        glow = wide_blur(maps.glow, 0.25 * parameters["defocus"])
        result = koschmieder(result, 1 - glow, parameters["highlight_colour"])
    if parameters["glare"] > 0:
        result += np.float32(parameters["glare"]) * (wide_blur(image, 16.0) - image)
    if parameters["smear"] > 0:
        result = _smear(result, parameters, rng)
    for name in ("opacity", "defocus", "size", "smear", "glare", "highlight"):
        parameters[name] = round(float(parameters[name]), 4)
    return result, parameters


def _draw_look(strength, rng):
    """What all drops of a picture share: the lens, the light and the typical drop."""
    sharp = rng.random() < 0.25
    fade = min(1.0, 8 * strength)  # even a single drop goes to nothing as strength does
    # Typical radius. Drops in focus are near the scene or the picture is a close-up: small ones.
    size = log_uniform((6.0, 18.0) if sharp else (8.0, 36.0), rng)
    level = float(rng.uniform(0.75, 1.0))
    warmth = float(rng.normal(0.0, 0.03))
    return {
        "size": size,
        "defocus": float(rng.uniform(0.7, 1.8)) if sharp else size * float(rng.uniform(0.15, 0.5)),
        "opacity": float(rng.uniform(0.75, 1.0)) * (0.6 + 0.4 * strength) * fade,
        "compression": round(float(rng.uniform(1.2, 4.0)), 4),
        "gain": round(float(rng.uniform(0.85, 1.6)), 4),
        "ambient": round(float(rng.uniform(0.25, 0.95)), 4),
        "sky": round(float(rng.uniform(1.1, 2.1)), 4),
        "sky_in_drop": round(float(rng.uniform(0.0, 0.4)), 4),
        "rim": round(float(rng.uniform(0.1, 0.5)) if sharp else float(rng.uniform(0.0, 0.15)), 4),
        "round": bool(rng.random() < 0.5) and not sharp,
        "aperture": int(rng.integers(7)),
        "aperture_angle": round(float(rng.uniform(0, np.pi)), 4),
        "highlight": fade * float(rng.uniform(0.15, 0.95)) if rng.random() < 0.55 else 0.0,
        "highlight_size": 0.3 if sharp else 1.0,
        "highlight_colour": [round(min(1.0, level + w), 4) for w in (warmth, 0.0, -warmth)],
        # Light that unresolved droplets scatter over their surroundings: a few per cent of it.
        "glare": float(rng.uniform(0.02, 0.1)) * strength if rng.random() < 0.5 else 0.0,
        "smear": float(rng.uniform(0.2, 0.9)) * strength if rng.random() < 0.45 else 0.0,
    }


def _expected_drops(shape, strength, look):
    """Bigger drops are fewer: the covered share of the picture follows the strength."""
    density = _DROPS_PER_PIXEL * (10 / look["size"]) ** 1.5 * (0.12 + 0.88 * strength)
    margin = look["size"]
    return density * (shape[0] + margin) * (shape[1] + margin)


class _DropMaps:
    """What the drops leave in each pixel: opacity, the drop on top, and highlights."""

    def __init__(self, shape):
        self.shape = shape
        self.matte = np.zeros(shape, np.float32)
        self.glow = np.zeros(shape, np.float32)
        self.owner = np.zeros(shape, np.int32)  # number of the drop on top; 0 where there is none
        self.drops = [(0.0, 0.0, 1.0, -1.0)]  # middle x, y, half height, compression; 0: no lens

    def refraction(self):
        """Where each pixel's light comes from (x, y), and its height in its drop in [-1, 1]."""
        drops = np.array(self.drops, np.float32)
        x, y, tall, squeeze = (np.take(values, self.owner) for values in drops.T.copy())
        columns = np.arange(self.shape[1], dtype=np.float32)[None] - x
        rows = np.arange(self.shape[0], dtype=np.float32)[:, None] - y
        shade = np.clip(rows / tall, -1, 1) * (squeeze > 0)
        return x - squeeze * columns, y - squeeze * rows, shade


def _place_drop(maps, look, rng):
    """Adds one drop (or a dribble: a drop that has run down the glass) to the maps."""
    height, width = maps.shape
    radius = look["size"] * min(max(rng.lognormal(-0.1, 0.45), 0.25), 2.2)
    x, y = (
        rng.uniform(-radius / 2, width + radius / 2),
        rng.uniform(-radius / 2, height + radius / 2),
    )
    tall = radius * float(rng.uniform(0.9, 1.25))
    angle = float(rng.normal(0.0, 0.25))
    if rng.random() < 0.05:
        tall, radius = radius * float(rng.uniform(2.0, 5.0)), radius * 0.6
        angle *= 0.4
    opacity = look["opacity"] * float(rng.uniform(0.5, 1.0))

    reach = 1.2 * max(radius, tall)
    box = window(maps.shape, x, y, reach)
    if box is None:
        return
    bank = _bokeh_shapes() if look["round"] else _drop_shapes()
    shape = bank[6] if look["round"] else bank[int(rng.integers(len(bank)))]
    # The bank's shapes fill about 0.8 of their sprite.
    mask = place_sprite(shape, box, x, y, (2.4 * radius, 2.4 * tall), angle) * np.float32(opacity)

    top, bottom, left, right = box
    here = np.s_[top:bottom, left:right]
    np.copyto(maps.owner[here], len(maps.drops), where=mask >= maps.matte[here])
    maps.drops.append((x, y, tall, look["compression"]))
    np.maximum(maps.matte[here], mask, out=maps.matte[here])

    if look["highlight"] > 0 and rng.random() < 0.6:
        size = radius * look["highlight_size"] * float(rng.uniform(0.5, 1.1))
        glow = place_sprite(
            _bokeh_shapes()[look["aperture"]],
            box,
            x + radius * float(rng.normal(0, 0.15)),
            y + tall * float(rng.uniform(0.05, 0.55)),
            (size, size),
            look["aperture_angle"],
        )
        glow *= np.float32(look["highlight"] * rng.uniform(0.2, 1.0))
        np.maximum(maps.glow[here], glow, out=maps.glow[here])


def _refracted_view(image, maps, look):
    """The picture in the drops: inverted, compressed, out of focus, mixed with ambient light."""
    soft = wide_blur(image, 0.6 * look["compression"] + 0.6 * look["defocus"])
    source_x, source_y, shade = maps.refraction()
    view = cv2.remap(soft, source_x, source_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    view = wide_blur(view, look["defocus"])
    # A drop gathers light from far outside the frame: pull it towards the scene's mean and the sky.
    mean = np.array(cv2.mean(image)[:3], np.float32)
    surround = 0.5 * mean + 0.5 * np.float32(min(1.0, look["sky"] * float(mean.mean())))
    ambient = np.float32(look["ambient"])
    view = cv2.add(view * (1 - ambient), (*(ambient * surround).tolist(), 0.0))
    brightness = look["gain"] + look["sky_in_drop"] * wide_blur(shade, 0.7 * look["defocus"])
    if look["rim"] > 0:
        inner = np.clip(maps.matte / max(look["opacity"], 1e-3), 0, 1)
        edge = wide_blur(inner, 1.5 + 0.8 * look["defocus"])
        brightness = brightness * (1 - look["rim"] * 4 * edge * (1 - edge))
    return view * three(brightness.astype(np.float32))


def _smear(image, look, rng):
    """A wet film that only blurs: patches of glass without a clear drop shape."""
    field = smooth_field(image.shape[:2], float(rng.uniform(40, 140)), rng)
    film = np.clip((field - 0.55) * 4, 0, 1) * np.float32(look["smear"])
    return image + three(film) * (wide_blur(image, float(rng.uniform(1.5, 5.0))) - image)
