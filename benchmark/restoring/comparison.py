"""A sheet with a photo before and after its restoration."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmark.core.atomic import atomic_path
from benchmark.restoring.photo_formats import JPEG
from benchmark.restoring.photo_io import srgb_profile


def write_comparison(path: Path, before: np.ndarray, after: np.ndarray, name: str) -> None:
    """Write a JPEG of two images side by side, before and after: uint8 (H, W, 3) of one size.

    name: of the method, for the heading. Images that are too long for JPEG are scaled down by a
    whole factor.
    """
    height, width = before.shape[:2]
    # A side of the sheet is at most that of both images, their gap and their headings.
    factor = -(-max(2.1 * width, 1.1 * height) // JPEG.longest)
    images = [Image.fromarray(pixels) for pixels in (before, after)]
    if factor > 1:
        images = [image.reduce(int(factor)) for image in images]
    width, height = images[0].size
    size = max(14, min(width, height) // 40)
    font, strip, gap = ImageFont.load_default(size), 2 * size, max(2, size // 4)
    sheet = Image.new("RGB", (2 * width + gap, height + strip), "white")
    texts = ("before", f"after: {name}")
    for left, image, text in zip((0, width + gap), images, texts, strict=True):
        heading = Image.new("RGB", (width, strip), "white")
        ImageDraw.Draw(heading).text((size // 2, strip // 2), text, "black", font, anchor="lm")
        sheet.paste(heading, (left, 0))
        sheet.paste(image, (left, strip))
    with atomic_path(path) as temporary:
        sheet.save(temporary, "JPEG", quality=92, icc_profile=srgb_profile())
