"""Raindrops on the lens or on a window in front of it: small, defocused, upside-down wide views.

A drop on glass is a strong lens (Roser and Geiger, ICCV Workshops 2009; von Bernuth et al., ITSC
2018). It shows a compressed, inverted picture of a wide part of the scene, with the sky in its
lower half. The camera focuses on the scene. So the drop is blurred by the lens, often into soft
discs or polygons with the shape of the aperture. The picture is I = (1 - M) B + R as in Qian et
al., CVPR 2018, equation (1), with a soft matte M. The glass between the drops stays clear: no haze.

The papers describe the optics and not the statistics of drops in photographs. All ranges of numbers
here were chosen by eye, so that photographs of 480 to 720 pixels width look as if taken through wet
glass. Lengths are in pixels of the degraded image.
"""

import functools
from typing import Any

import cv2
import numpy as np

from benchmark.weather.drop_look import BLADES, Look, draw_look
from benchmark.weather.haze import koschmieder
from benchmark.weather.layers import (
    Image,
    Plane,
    Pyramid,
    blob_pyramids,
    place_sprite,
    pyramid,
    smooth_field,
    three,
    wide_blur,
    window,
)

_DROPS_PER_PIXEL = 1.5e-3  # of a radius of 10 pixels, at full strength; chosen by eye
_DISC = 6  # index of the disc


@functools.cache
def _drop_shapes() -> list[Pyramid]:
    return blob_pyramids(count=32, lobes=(2, 6), roughness=0.25, seed=20180618)


@functools.cache
def _bokeh_shapes() -> list[Pyramid]:
    """Filled regular polygons and a disc: the images of a point out of focus."""
    side, masks = 64, []
    for blades in BLADES:
        turns = np.arange(blades) * 2 * np.pi / blades
        corners = np.stack((np.cos(turns), np.sin(turns)), axis=1) * 0.42 * side + side / 2
        mask = np.zeros((side, side), np.uint8)
        cv2.fillPoly(mask, [np.round(corners * 256).astype(np.int32)], 255, cv2.LINE_AA, 8)
        masks.append(pyramid(mask.astype(np.float32) / 255))
    return masks


def add_raindrops(
    image: Image,
    strength: float,
    rng: np.random.Generator,
    look: Look | None = None,
    abundance: float = 1.0,
) -> tuple[Image, dict[str, Any]]:
    """Image seen through drops. image: float32 (H, W, 3) in [0, 1]; strength in (0, 1].

    look: of the drops, drawn if None; abundance: factor of their number. Returns (image (H, W, 3),
    not yet clipped to [0, 1]; what was drawn).
    """
    shape = image.shape[:2]
    look = look or draw_look(strength, rng)
    maps = _DropMaps(shape)
    count = int(rng.poisson(abundance * _expected_drops(shape, strength, look)))
    if strength > 0.08:
        count = max(count, 1)
    for _ in range(count):
        _place_drop(maps, look, rng)

    matte = three(wide_blur(maps.matte, look.defocus))
    view = _refracted_view(image, maps, look)
    result = image + matte * (view - image)
    if look.highlight > 0:
        glow = wide_blur(maps.glow, 0.25 * look.defocus)
        result = koschmieder(result, 1 - glow, look.highlight_colour)
    if look.glare > 0:
        result += np.float32(look.glare) * (wide_blur(image, 16.0) - image)
    if look.smear > 0:
        result = _smear(result, look.smear, rng)
    return result, {**look.rounded(), "drops": count}


def _expected_drops(shape: tuple[int, int], strength: float, look: Look) -> float:
    """Mean number of drops in and around an image (H, W); larger drops are fewer.

    The density falls as size^-1.5 and not as size^-2, which would keep the covered share of the
    picture constant: large drops cover more. Chosen by eye.
    """
    density = _DROPS_PER_PIXEL * (10 / look.size) ** 1.5 * (0.12 + 0.88 * strength)
    margin = look.size
    return density * (shape[0] + margin) * (shape[1] + margin)


class _DropMaps:
    """Maps (H, W) of what the drops do to each pixel: opacity, drop on top, and highlights."""

    def __init__(self, shape: tuple[int, int]):
        self.shape = shape
        self.matte = np.zeros(shape, np.float32)
        self.glow = np.zeros(shape, np.float32)
        self.owner = np.zeros(shape, np.int32)  # number of the drop on top; 0: none
        # Middle x, y and half height in pixels, and compression; number 0 leaves pixels in place.
        self.drops = [(0.0, 0.0, 1.0, -1.0)]

    def refraction(self) -> tuple[Plane, Plane, Plane]:
        """Pixel (x, y) of the scene that each pixel shows, and its height in its drop in [-1, 1].

        A drop at m with compression c shows at p the pixel m - c (p - m): inverted.
        """
        drops = np.array(self.drops, np.float32)
        x, y, tall, squeeze = (np.take(values, self.owner) for values in drops.T.copy())
        columns = np.arange(self.shape[1], dtype=np.float32)[None] - x
        rows = np.arange(self.shape[0], dtype=np.float32)[:, None] - y
        shade = np.clip(rows / tall, -1, 1) * (squeeze > 0)
        return x - squeeze * columns, y - squeeze * rows, shade


def _place_drop(maps: _DropMaps, look: Look, rng: np.random.Generator) -> None:
    """Add one drop to the maps. One in twenty has run down the glass and is long.

    Ranges chosen by eye: radius, height over width, tilt, opacity and place of the highlight.
    """
    height, width = maps.shape
    radius = look.size * min(max(rng.lognormal(-0.1, 0.45), 0.25), 2.2)
    x, y = (
        rng.uniform(-radius / 2, width + radius / 2),
        rng.uniform(-radius / 2, height + radius / 2),
    )
    tall = radius * float(rng.uniform(0.9, 1.25))
    angle = float(rng.normal(0.0, 0.25))  # radians
    if rng.random() < 0.05:
        tall, radius = radius * float(rng.uniform(2.0, 5.0)), radius * 0.6
        angle *= 0.4
    opacity = look.opacity * float(rng.uniform(0.5, 1.0))

    reach = 1.2 * max(radius, tall)
    box = window(maps.shape, x, y, reach)
    if box is None:
        return
    bank = _bokeh_shapes() if look.round else _drop_shapes()
    shape = bank[_DISC] if look.round else bank[int(rng.integers(len(bank)))]
    # The bank's shapes fill about 0.8 of their sprite.
    mask = place_sprite(shape, box, x, y, (2.4 * radius, 2.4 * tall), angle) * np.float32(opacity)

    top, bottom, left, right = box
    here = np.s_[top:bottom, left:right]
    np.copyto(maps.owner[here], len(maps.drops), where=mask >= maps.matte[here])
    maps.drops.append((x, y, tall, look.compression))
    np.maximum(maps.matte[here], mask, out=maps.matte[here])

    if look.highlight > 0 and rng.random() < 0.6:
        size = radius * look.highlight_size * float(rng.uniform(0.5, 1.1))
        glow = place_sprite(
            _bokeh_shapes()[look.aperture],
            box,
            x + radius * float(rng.normal(0, 0.15)),
            y + tall * float(rng.uniform(0.05, 0.55)),
            (size, size),
            look.aperture_angle,
        )
        glow *= np.float32(look.highlight * rng.uniform(0.2, 1.0))
        np.maximum(maps.glow[here], glow, out=maps.glow[here])


def _refracted_view(image: Image, maps: _DropMaps, look: Look) -> Image:
    """The picture in the drops (H, W, 3): inverted, compressed, defocused, mixed with ambient
    light.
    """
    soft = wide_blur(image, 0.6 * look.compression + 0.6 * look.defocus)
    source_x, source_y, shade = maps.refraction()
    view = cv2.remap(soft, source_x, source_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    view = wide_blur(view, look.defocus)
    # A drop collects light from far outside the frame: the view nears the scene's mean and the sky.
    mean = np.array(cv2.mean(image)[:3], np.float32)
    surround = 0.5 * mean + 0.5 * np.float32(min(1.0, look.sky * float(mean.mean())))
    ambient = np.float32(look.ambient)
    view = cv2.add(view * (1 - ambient), (*(ambient * surround).tolist(), 0.0))
    brightness = look.gain + look.sky_in_drop * wide_blur(shade, 0.7 * look.defocus)
    if look.rim > 0:
        inner = np.clip(maps.matte / max(look.opacity, 1e-3), 0, 1)
        edge = wide_blur(inner, 1.5 + 0.8 * look.defocus)
        brightness = brightness * (1 - look.rim * 4 * edge * (1 - edge))
    return view * three(brightness.astype(np.float32))


def _smear(image: Image, opacity: float, rng: np.random.Generator) -> Image:
    """The image (H, W, 3) under patches of a wet film that blur it; opacity in [0, 1].

    Size of the patches and blur, in pixels, were chosen by eye.
    """
    field = smooth_field(image.shape[:2], float(rng.uniform(40, 140)), rng)
    film = np.clip((field - 0.55) * 4, 0, 1) * np.float32(opacity)
    return image + three(film) * (wide_blur(image, float(rng.uniform(1.5, 5.0))) - image)
