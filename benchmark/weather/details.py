"""Things in a clear picture that look like weather and must stay: they are in input and target.

Grey skies behind towers and plain walls look like haze, wires and poles like streaks, confetti and
small lights like snow or drops, watermarks like a film on the lens. Noise and the blocks of JPEG
are texture that no method is asked to remove. All ranges were chosen by eye.
"""

import string

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.weather.layers import Image, log_uniform
from benchmark.weather.surfaces import add_surface

Canvas = NDArray[np.uint8]  # (H, W, 3), drawn into
_ASIDE = 0.04  # of the side: how far lines start outside of the picture
_FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX, cv2.FONT_HERSHEY_SCRIPT_COMPLEX,
)  # fmt: skip
_LETTERS = string.ascii_letters + string.digits + "  .-@"


def add_details(image: Image, rng: np.random.Generator) -> Image:
    """The image with one kind of detail. float32 (H, W, 3) in [0, 1]; returns the same, a copy."""
    kind = rng.random()
    if kind < 0.35:
        return np.clip(add_surface(image, rng), 0.0, 1.0)
    canvas = (image * 255).round().astype(np.uint8)  # OpenCV draws smooth lines in 8 bit only
    before = canvas.copy()
    (_text if kind < 0.55 else _wires if kind < 0.8 else _dots)(canvas, rng)
    opacity = np.float32(1.0 if rng.random() < 0.5 else rng.uniform(0.2, 1.0))
    change = canvas.astype(np.float32) - before
    return np.clip(image + change * (opacity / np.float32(255)), 0.0, 1.0)


def _colour(rng: np.random.Generator) -> tuple[float, float, float]:
    """White, another grey or any colour: 0 to 255."""
    kind = rng.random()
    if kind < 0.35:
        return (float(rng.uniform(217, 255)),) * 3
    if kind < 0.7:
        return (float(rng.uniform(0, 230)),) * 3
    return tuple(float(value) for value in rng.uniform(0, 255, 3))


def _text(canvas: Canvas, rng: np.random.Generator) -> None:
    """One or two lines of letters: a sign, a caption or a watermark."""
    height, width = canvas.shape[:2]
    for _ in range(int(rng.integers(1, 3))):
        words = "".join(rng.choice(list(_LETTERS), int(rng.integers(3, 12))))
        place = (int(rng.uniform(-0.2, 0.7) * width), int(rng.uniform(0.1, 1.0) * height))
        font = _FONTS[int(rng.integers(len(_FONTS)))]
        size, thick = log_uniform((0.3, 1.6), rng), int(rng.integers(1, 3))
        cv2.putText(canvas, words, place, font, size, _colour(rng), thick, cv2.LINE_AA)


def _wires(canvas: Canvas, rng: np.random.Generator) -> None:
    """Up to four thin lines of any direction: wires, poles, strings, the bars of a fence."""
    height, width = canvas.shape[:2]
    for _ in range(int(rng.integers(1, 5))):
        ends = rng.uniform(-_ASIDE, 1 + _ASIDE, (2, 2)) * (width, height)
        if rng.random() < 0.5:  # across the whole picture, nearly upright or level
            axis = int(rng.integers(2))
            ends[:, axis] = (-2, (width, height)[axis] + 2)
            ends[1, 1 - axis] = ends[0, 1 - axis] + rng.normal(0, 0.1) * width
        first, last = (tuple(int(v * 16) for v in end) for end in ends)
        cv2.line(canvas, first, last, _colour(rng), int(rng.integers(1, 3)), cv2.LINE_AA, 4)


def _dots(canvas: Canvas, rng: np.random.Generator) -> None:
    """A patch of spots of three colours: a crowd, flowers, lights, pebbles."""
    height, width = canvas.shape[:2]
    left, right = np.sort(rng.uniform(0, width, 2))
    top, bottom = np.sort(rng.uniform(0, height, 2))
    size, colours = log_uniform((0.7, 3.5), rng), [_colour(rng) for _ in range(3)]
    count = min(120, int(rng.uniform(0.005, 0.03) * (right - left) * (bottom - top)) + 1)
    x, y = rng.uniform(left, right, count), rng.uniform(top, bottom, count)
    for i in range(count):
        colour = colours[int(rng.integers(3))]
        radius = max(1, int(16 * size * rng.uniform(0.5, 1.5)))
        cv2.circle(canvas, (int(16 * x[i]), int(16 * y[i])), radius, colour, -1, cv2.LINE_AA, 4)


def stored(
    clean: Image, degraded: Image, rng: np.random.Generator, share: float
) -> tuple[Image, Image]:
    """Both pictures of a pair as a camera stores them: sometimes with noise, or as a JPEG.

    Both get the same noise and the same quality, so that a method learns to keep these. A pair of
    equal images stays one. clean, degraded: float32 (H, W, 3) in [0, 1]; share: of the pairs that
    are changed.
    """
    if rng.random() >= share:
        return clean, degraded
    same = np.array_equal(clean, degraded)
    if rng.random() < 0.4:
        noise = np.empty(clean.shape, np.float32)
        cv2.setRNGSeed(int(rng.integers(2**31)))
        cv2.randn(noise, 0.0, float(rng.uniform(0.003, 0.03)))
        clean, degraded = (np.clip(image + noise, 0.0, 1.0) for image in (clean, degraded))
    if rng.random() < 0.75:
        quality = int(rng.integers(50, 97))
        clean = _as_jpeg(clean, quality)
        degraded = clean.copy() if same else _as_jpeg(degraded, quality)
    return clean, degraded


def _as_jpeg(image: Image, quality: int) -> Image:
    """The image after JPEG compression; quality: 0 to 100."""
    values = cv2.cvtColor((image * 255).round().astype(np.uint8), cv2.COLOR_RGB2BGR)
    _, coded = cv2.imencode(".jpg", values, [cv2.IMWRITE_JPEG_QUALITY, quality])
    values = cv2.cvtColor(cv2.imdecode(coded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    return values.astype(np.float32) / np.float32(255)
