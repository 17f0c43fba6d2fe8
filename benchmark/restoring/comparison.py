"""A sheet with a photo before and after its restoration."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmark.core.atomic import atomic_path
from benchmark.core.errors import UserError
from benchmark.core.paths import shown
from benchmark.restoring.photo_formats import JPEG
from benchmark.restoring.photo_io import read_photo, srgb_profile


def compare_files(path: Path, photo: Path, restored: Path) -> None:
    """Write the comparison of a photo with a restoration that is there, whatever method and
    strength made it.

    Raises UserError if a file cannot be read, or if their sizes differ.
    """
    before, after = read_photo(photo).pixels, read_photo(restored).pixels
    if before.shape != after.shape:
        sizes = ["×".join(map(str, pixels.shape[1::-1])) for pixels in (after, before)]
        raise UserError(
            f"{shown(restored)} has {sizes[0]} pixels and {shown(photo)} {sizes[1]}, so they "
            "cannot be compared: restore the photo again with --overwrite."
        )
    write_comparison(path, before, after)


def write_comparison(path: Path, before: np.ndarray, after: np.ndarray, name: str = "") -> None:
    """Write a JPEG of two images side by side, before and after: uint8 (H, W, 3) of one size.

    name: of the method, for the heading; empty if it is not known. Images that are too long for
    JPEG are scaled down by a whole factor.
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
    texts = ("before", f"after: {name}" if name else "after")
    for left, image, text in zip((0, width + gap), images, texts, strict=True):
        heading = Image.new("RGB", (width, strip), "white")
        ImageDraw.Draw(heading).text((size // 2, strip // 2), text, "black", font, anchor="lm")
        sheet.paste(heading, (left, 0))
        sheet.paste(image, (left, strip))
    with atomic_path(path) as temporary:
        sheet.save(temporary, "JPEG", quality=92, icc_profile=srgb_profile())
