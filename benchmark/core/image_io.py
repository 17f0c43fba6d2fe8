"""Image files: read any common kind as 8-bit sRGB, write PNG, convert to and from [0, 1]."""

import math
from collections.abc import Iterator
from pathlib import Path
from types import EllipsisType
from typing import Literal

import cv2
import numpy as np
from PIL import Image

from benchmark.core.atomic import atomic_path
from benchmark.core.colour import to_srgb
from benchmark.core.errors import UserError
from benchmark.core.image_decoding import (
    DECODE_ERRORS,
    EXIF_ORIENTATION,
    FORMATS,
    Decoded,
    decode,
)
from benchmark.core.paths import is_utf8, shown
from benchmark.core.reading import regular

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
WHITE = (255, 255, 255, 255)
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_image(path: str | Path) -> np.ndarray:
    """Read an image as uint8 (H, W, 3), RGB in sRGB, upright as a viewer shows it.

    - The EXIF orientation is applied.
    - Grey is repeated over the three channels; palette indices become colours.
    - Transparency is composited over white in the file's own colour values, as viewers do.
    - A 16-bit value v becomes round(v / 257), so that 65535 becomes 255. (Pillow drops the low byte
      of colour, which is wrong by up to one level.)
    - CMYK, and anything whose ICC profile or CICP codes name another space than sRGB, is converted
      to sRGB (`colour.to_srgb`). CMYK without a profile is converted by Pillow's plain formula.
      A profile that is damaged or does not fit is left out, with a warning. PNG's gAMA and cHRM
      chunks are ignored.
    - Of a camera's multi-picture JPEG (MPO), the first picture is read. Animations and files of
      several pages are refused, because the frame to use is not known.

    Raises UserError, naming the file and what to do: missing, unreadable, not an image, truncated,
    more than 256 megapixels, several frames, float or 32-bit values, HDR, a camera's RAW file.
    """
    return np.array(open_image(path))


def open_image(path: str | Path) -> Image.Image:
    """As `read_image`, but a Pillow image: converting only a crop to an array is cheaper."""
    path = Path(path)
    return upright_srgb(decode(path), path)


def upright_srgb(decoded: Decoded, path: Path) -> Image.Image:
    """A decoded file as `open_image` returns it. path: for messages."""
    image = to_srgb(_without_alpha(decoded.image), decoded.profile, decoded.cicp, path)
    turn = TURNS.get(decoded.orientation)
    return image if turn is None else image.transpose(turn)


def image_size(path: Path) -> tuple[int, int]:
    """Width and height, in pixels, of the image that `read_image` returns, from the header alone.

    Raises UserError, naming the file, if it is missing or not an image.
    """
    try:
        with Image.open(regular(path), formats=FORMATS) as opened:
            width, height = opened.size
            turned = opened.getexif().get(EXIF_ORIENTATION, 1) in (5, 6, 7, 8)
            turned &= opened.format != "TIFF"  # of which Pillow gives the size as shown
    except (*DECODE_ERRORS, Image.DecompressionBombError) as error:
        raise UserError(f"{shown(path)} cannot be read as an image ({error}).") from error
    return (height, width) if turned else (width, height)


def write_png(path: str | Path, image: np.ndarray) -> None:
    """Write uint8 (H, W, 3) RGB as PNG, atomically. The same pixels give the same bytes.

    Raises ValueError for an array of another type or shape.
    """
    _check_array(image)
    with atomic_path(path) as temporary:
        # zlib's level 2: 3 % larger files than its default, 6, in a third of the time.
        Image.fromarray(np.ascontiguousarray(image)).save(temporary, "PNG", compress_level=2)


def write_jpeg(path: str | Path, image: np.ndarray, quality: int) -> None:
    """Write uint8 (H, W, 3) RGB as JPEG (4:2:0) by OpenCV, atomically. quality: 0 to 100.

    Raises ValueError for an array of another type or shape.
    """
    _check_array(image)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.tobytes())


def _check_array(image: np.ndarray) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(f"an image is uint8 (H, W, 3), not {image.dtype} {image.shape}")


def to_float(image: np.ndarray) -> np.ndarray:
    """uint8 in [0, 255], of any shape, as float32 in [0, 1]."""
    if image.dtype != np.uint8:
        raise ValueError(f"an 8-bit image is uint8, not {image.dtype}")
    return np.divide(image, np.float32(255), dtype=np.float32)  # no second array of floats


def to_uint8(image: np.ndarray, quantise: Literal["round", "truncate"] = "round") -> np.ndarray:
    """Float in [0, 1], of any shape, as uint8 in [0, 255]: clipped, then rounded half to even.

    quantise: `truncate` takes the level below instead of the nearest. In both ways
    `to_uint8(to_float(x))` is x. Raises ValueError for values that are not finite: a method that
    returns them has failed.
    """
    levels = np.empty(image.shape, np.uint8)
    for part in parts(image.shape):
        levels[part] = _levels(image[part], quantise)
    return levels


def parts(shape: tuple[int, ...], values: int = 2**22) -> Iterator[slice | EllipsisType]:
    """Slices of the first axis, of about so many values each, so that what is computed from a part
    takes little memory. A number, of the shape (), has one part: all."""
    if not shape:
        yield ...
        return
    rows = max(1, values // max(1, math.prod(shape[1:])))
    yield from (slice(start, start + rows) for start in range(0, shape[0], rows))


def _levels(image: np.ndarray, quantise: Literal["round", "truncate"]) -> np.ndarray:
    if not np.isfinite(image).all():
        raise ValueError("the image holds values that are not finite (NaN or infinity)")
    levels = np.clip(image, 0, 1) * 255
    return (levels if quantise == "truncate" else np.rint(levels)).astype(np.uint8)


def image_files(folder: str | Path) -> dict[str, Path]:
    """The images of a folder by file stem, sorted; sub-folders and hidden files are left out.

    An image is a file with one of `SUFFIXES`, in upper or lower case. A broken link is one too, so
    that reading it reports the fault. Raises UserError if the folder is missing, if two images
    share a stem, or if a name is not valid UTF-8 and so cannot be written to a table.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"There is no folder {shown(folder)}. Name one that holds images.")
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in SUFFIXES or path.name.startswith(".") or path.is_dir():
            continue
        if not is_utf8(path.stem):
            raise UserError(f"The name of {shown(path)} is not valid UTF-8. Rename the file.")
        if path.stem in files:
            raise UserError(
                f"{shown(files[path.stem])} and {shown(path)} have the same stem, which "
                "pairs an image with its target. Keep one of them."
            )
        files[path.stem] = path
    return dict(sorted(files.items()))


def _without_alpha(image: Image.Image) -> Image.Image:
    """The image as grey (L), RGB or CMYK; transparent parts are composited over white."""
    see_through = "transparency" in image.info
    if image.mode in ("LA", "La") or (see_through and image.mode in ("1", "L")):
        # It stays grey: a grey image may have a grey profile.
        image = image.convert("LA")
        white = Image.new("L", image.size, 255)
        return Image.composite(image.getchannel("L"), white, image.getchannel("A"))
    if image.mode in ("RGBA", "PA", "RGBa") or see_through:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, WHITE), image).convert("RGB")
    if image.mode in ("L", "RGB", "CMYK"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")
