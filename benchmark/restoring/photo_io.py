"""The user's own photos: read and written with their metadata, transparency and JPEG quality."""

import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, JpegImagePlugin

from benchmark.core.atomic import atomic_path
from benchmark.core.errors import UserError
from benchmark.core.image_decoding import Decoded, decode
from benchmark.core.image_io import TURNS, upright_srgb
from benchmark.core.paths import shown
from benchmark.restoring.photo_formats import (
    readable,
    refuse_unreadable,
    written_as,
)
from benchmark.restoring.photo_metadata import Metadata, read_metadata, save_options

GREY_MODES = ("1", "L", "LA", "La", "I;16", "I;16B", "I;16L", "I;16N")
ALPHA_MODES = ("RGBA", "RGBa", "LA", "La", "PA")
LOSSLESS_WEBP = b"VP8L"


@dataclass(frozen=True)
class Photo:
    """A photo as a viewer shows it, with the data that its restoration keeps.

    pixels: uint8 (H, W, 3) in sRGB, upright; transparent parts are over white. alpha: uint8 (H, W),
    or None if the photo is opaque. grey: whether the file is grey. compression: options that give a
    file of the photo's own format its compression. warnings: of reading, one sentence each.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None
    grey: bool
    metadata: Metadata
    format: str
    compression: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def read_photo(path: Path) -> Photo:
    """Read a photo.

    Raises UserError as `image_decoding.decode` and `colour.to_srgb`, and if its format needs a
    package that is not installed.
    """
    refuse_unreadable(path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        decoded = decode(path, readable())
        pixels = np.array(upright_srgb(decoded, path))
        file = decoded.file
        return Photo(
            pixels,
            _alpha(decoded),
            file.mode in GREY_MODES,
            read_metadata(file, *pixels.shape[1::-1]),
            file.format or "",
            _compression(decoded, path),
            tuple(sentence(path, str(warning.message)) for warning in caught),
        )


def write_photo(path: Path, restored: np.ndarray, photo: Photo) -> list[str]:
    """Write a restoration atomically, in the format of the path's suffix.

    restored: uint8 (H, W, 3) in sRGB, over white like `photo.pixels`. The file gets the photo's
    metadata, the sRGB profile, and the photo's alpha if the format has one. It is grey if the photo
    is. A JPEG of a JPEG has its quantisation. Returns the names of metadata that the format cannot
    hold. Raises UserError as `written_as` and `check_size`.
    """
    kind = written_as(path)
    check_size(path, *restored.shape[1::-1])
    alpha = photo.alpha if kind.alpha else None
    image = Image.fromarray(restored if alpha is None else _under_alpha(restored, alpha))
    options = kind.options | (photo.compression if photo.format == kind.name else {})
    if photo.grey:
        image = image.convert("L")  # viewers read a grey file without a profile as sRGB grey
    else:
        options = options | {"icc_profile": srgb_profile()}
    if alpha is not None:
        image.putalpha(Image.fromarray(alpha))
    metadata, lost = save_options(photo.metadata, kind)
    with atomic_path(path) as temporary:
        image.save(temporary, kind.name, **options, **metadata)
    return lost


def check_size(path: Path, width: int, height: int) -> None:
    """UserError if the format of a result file cannot hold a picture of this size, in pixels."""
    kind = written_as(path)
    if kind.longest and max(width, height) > kind.longest:
        raise UserError(
            f"{shown(path)}: {kind.name} holds at most {kind.longest:,} pixels a side, and the "
            f"photo has {width:,}×{height:,}. Choose --format png or tif."
        )


def srgb_profile() -> bytes:
    """The ICC profile of sRGB, with a fixed date, so that the bytes are always the same."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = (2000).to_bytes(2, "big") + bytes([0, 1, 0, 1]) + bytes(6)  # the date
    return bytes(profile)


def _alpha(decoded: Decoded) -> np.ndarray | None:
    """The upright alpha channel, uint8 (H, W); None if all of it is opaque."""
    image = decoded.image
    if image.mode not in ALPHA_MODES and not (
        "transparency" in image.info and image.mode in ("1", "L", "P", "RGB")
    ):
        return None
    alpha = image.convert("RGBA").getchannel("A")
    if decoded.orientation in TURNS:
        alpha = alpha.transpose(TURNS[decoded.orientation])
    return None if alpha.getextrema() == (255, 255) else np.array(alpha)


def _compression(decoded: Decoded, path: Path) -> dict[str, Any]:
    """Options that compress a restoration as much as its photo: of JPEG, and of lossless WebP."""
    file = decoded.file
    # CMYK has other tables than the YCbCr that is written.
    if isinstance(file, JpegImagePlugin.JpegImageFile) and file.mode in ("L", "RGB"):
        subsampling = JpegImagePlugin.get_sampling(file)
        known = {} if file.mode == "L" or subsampling < 0 else {"subsampling": subsampling}
        # A quality beside the tables would scale them.
        return {"qtables": file.quantization, "quality": -1, **known}
    if file.format == "WEBP":
        with path.open("rb") as stream:
            return {"lossless": True} if LOSSLESS_WEBP in stream.read(64) else {}
    return {}


def _under_alpha(over_white: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The colours that, with this alpha over white, look like `over_white`.

    over_white: uint8 (H, W, 3); alpha: uint8 (H, W). Where alpha is 0, colours are unchanged.
    """
    share = np.maximum(alpha, 1)[..., None] / 255
    colour = np.rint((over_white - 255 * (1 - share)) / share).clip(0, 255).astype(np.uint8)
    return np.where(alpha[..., None] == 0, over_white, colour)


def sentence(path: Path, text: str) -> str:
    """A text about a photo on one line, with the photo's name."""
    text = " ".join(text.split())
    return text if shown(path) in text else f"{shown(path)}: {text}"
