"""The user's own photos: read and written with EXIF and transparency; comparisons."""

import io
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageDraw, ImageFont

from benchmark.core.atomic import atomic_path
from benchmark.core.errors import UserError
from benchmark.core.image_io import (
    DECODE_ERRORS,
    EXIF_ORIENTATION,
    FORMATS,
    SUFFIXES,
    TURNS,
    read_image,
)
from benchmark.core.paths import shown

# Formats of phones. Pillow itself decodes AVIF; HEIC needs the package pillow-heif.
HEIF = (".heic", ".heif", ".avif")
HEIF_FORMATS = ("AVIF", "HEIF")
GREY_MODES = ("1", "L", "LA", "La", "I;16", "I;16B", "I;16L", "I;16N")
ALPHA_MODES = ("RGBA", "RGBa", "LA", "La", "PA")
# Suffix of a written file: Pillow's name of the format, and the options of saving.
SAVED = {
    ".png": ("PNG", {"compress_level": 6}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"quality": 95}),
    ".tif": ("TIFF", {}),  # not compressed: with compression, libtiff cannot write EXIF
    ".bmp": ("BMP", {}),
}
SAVED |= {".jpeg": SAVED[".jpg"], ".tiff": SAVED[".tif"]}
WITH_ALPHA = ("PNG", "WEBP", "TIFF")

# EXIF about author, time and camera is kept. Tags that describe the stored pixels are not, because
# the restoration is stored differently: among them are the orientation and the thumbnail.
TAG = ExifTags.Base
KEPT_TAGS = (
    TAG.DocumentName, TAG.ImageDescription, TAG.Make, TAG.Model, TAG.XResolution,
    TAG.YResolution, TAG.ResolutionUnit, TAG.Software, TAG.DateTime, TAG.Artist,
    TAG.HostComputer, TAG.Copyright, TAG.Rating, TAG.XPTitle, TAG.XPComment, TAG.XPAuthor,
    TAG.XPKeywords, TAG.XPSubject,
)  # fmt: skip
KEPT_FOLDERS = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)


@dataclass(frozen=True)
class Photo:
    """A photo as a viewer shows it, with the data that its restoration keeps.

    pixels: uint8 (H, W, 3) in sRGB, upright; transparent parts are over white. alpha: uint8 (H, W),
    or None if the photo is opaque. grey: whether the file is grey. exif: bytes ready to be saved,
    without orientation and thumbnail.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None
    grey: bool
    exif: bytes


def read_photo(path: Path) -> Photo:
    """Read a photo. Raises UserError as `image_io.read_image`, and if HEIC cannot be decoded."""
    if path.suffix.lower() in HEIF:
        with tempfile.TemporaryDirectory() as folder:
            png = _as_png(path, Path(folder) / "photo.png")
            try:
                return read_photo(png)
            except UserError as error:
                raise UserError(str(error).replace(shown(png), shown(path))) from None
    pixels = read_image(path)
    # From bytes, because Pillow reads some rotated TIFF files wrongly if it opens them by name.
    with Image.open(io.BytesIO(path.read_bytes()), formats=FORMATS) as image:
        image.load()
        return Photo(pixels, _alpha(image), image.mode in GREY_MODES, _kept_exif(image, pixels))


def megapixels(path: Path) -> float | None:
    """A photo's megapixels from its header; None if it cannot be read."""
    try:
        with Image.open(path, formats=(*FORMATS, *_heif_formats())) as image:
            return image.width * image.height / 1e6
    except (*DECODE_ERRORS, Image.DecompressionBombError):
        return None


def write_photo(path: Path, restored: np.ndarray, photo: Photo) -> None:
    """Write a restoration atomically, in the format of the path's suffix (a key of `SAVED`).

    restored: uint8 (H, W, 3) in sRGB, over white like `photo.pixels`. The file gets the photo's
    EXIF, the sRGB profile, and the photo's alpha if the format has one. It is grey if the photo is.
    """
    format_name, options = SAVED[path.suffix.lower()]
    alpha = photo.alpha if format_name in WITH_ALPHA else None
    image = Image.fromarray(restored if alpha is None else _under_alpha(restored, alpha))
    if photo.grey:
        image = image.convert("L")  # viewers read a grey file without a profile as sRGB grey
    else:
        options = options | {"icc_profile": srgb_profile()}
    if alpha is not None:
        image.putalpha(Image.fromarray(alpha))
    with atomic_path(path) as temporary:
        image.save(temporary, format_name, exif=photo.exif, **options)


def write_comparison(path: Path, before: np.ndarray, after: np.ndarray, name: str) -> None:
    """Write a JPEG of two images side by side, before and after: uint8 (H, W, 3) of one size.

    name: of the method, for the heading.
    """
    height, width = before.shape[:2]
    size = max(14, width // 40)
    font, strip, gap = ImageFont.load_default(size), 2 * size, max(2, size // 4)
    sheet = Image.new("RGB", (2 * width + gap, height + strip), "white")
    for left, pixels, text in ((0, before, "before"), (width + gap, after, f"after: {name}")):
        heading = Image.new("RGB", (width, strip), "white")
        ImageDraw.Draw(heading).text((size // 2, strip // 2), text, "black", font, anchor="lm")
        sheet.paste(heading, (left, 0))
        sheet.paste(Image.fromarray(pixels), (left, strip))
    with atomic_path(path) as temporary:
        sheet.save(temporary, "JPEG", quality=92, icc_profile=srgb_profile())


def srgb_profile() -> bytes:
    """The ICC profile of sRGB, with a fixed date, so that the bytes are always the same."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = (2000).to_bytes(2, "big") + bytes([0, 1, 0, 1]) + bytes(6)  # the date
    return bytes(profile)


def is_photo(path: Path) -> bool:
    """Whether a path in a folder is a photo: an image by its suffix, not hidden, not a folder."""
    return (
        path.suffix.lower() in (*SUFFIXES, *HEIF)
        and not path.name.startswith(".")
        and not path.is_dir()
    )


def _heif_formats() -> tuple[str, ...]:
    """The formats of `HEIF_FORMATS` that Pillow can decode here."""
    with suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()
    Image.init()
    return tuple(kind for kind in HEIF_FORMATS if kind in Image.OPEN)


def _as_png(path: Path, png: Path) -> Path:
    """Write a HEIC or AVIF photo as the PNG file `png`, with EXIF and colour profile.

    Returns `png`. Raises UserError if the photo cannot be decoded.
    """
    formats = _heif_formats()
    if path.suffix.lower() != ".avif" and "HEIF" not in formats:
        raise UserError(
            f"{shown(path)} is HEIC, which the package pillow-heif reads: 'pip install "
            "pillow-heif', or export the photo as JPEG or PNG."
        )
    try:
        with Image.open(path, formats=formats) as image:
            metadata = {"exif": image.getexif(), "icc_profile": image.info.get("icc_profile")}
            image.save(png, "PNG", compress_level=1, **metadata)
    except (*DECODE_ERRORS, Image.DecompressionBombError) as error:
        raise UserError(
            f"{shown(path)} cannot be decoded ({error}). Export the photo as JPEG or PNG."
        ) from error
    return png


def _alpha(image: Image.Image) -> np.ndarray | None:
    """The upright alpha channel of a loaded image, uint8 (H, W); None if all of it is opaque."""
    if image.mode not in ALPHA_MODES and not (
        "transparency" in image.info and image.mode in ("1", "L", "P", "RGB")
    ):
        return None
    alpha = image.convert("RGBA").getchannel("A")
    orientation = image.getexif().get(EXIF_ORIENTATION, 1)
    if orientation in TURNS:
        alpha = alpha.transpose(TURNS[orientation])
    return None if alpha.getextrema() == (255, 255) else np.array(alpha)


def _under_alpha(over_white: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The colours that, with this alpha over white, look like `over_white`.

    over_white: uint8 (H, W, 3); alpha: uint8 (H, W). Where alpha is 0, colours are unchanged.
    """
    share = np.maximum(alpha, 1)[..., None] / 255
    colour = np.rint((over_white - 255 * (1 - share)) / share).clip(0, 255).astype(np.uint8)
    return np.where(alpha[..., None] == 0, over_white, colour)


def _kept_exif(image: Image.Image, pixels: np.ndarray) -> bytes:
    """The EXIF for the upright restoration; empty if the photo's is missing or damaged."""
    kept = Image.Exif()
    try:
        exif = image.getexif()
        kept.update({tag: exif[tag] for tag in KEPT_TAGS if tag in exif})
        for folder in KEPT_FOLDERS:
            if values := dict(exif.get_ifd(folder)):
                kept[folder] = values
        if values := kept.get(ExifTags.IFD.Exif):
            height, width = pixels.shape[:2]
            values |= {TAG.ExifImageWidth: width, TAG.ExifImageHeight: height}
        return kept.tobytes() if len(kept) else b""
    except DECODE_ERRORS:
        return b""
