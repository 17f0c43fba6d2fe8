"""One's own photos: read with what belongs beside the pixels, written as files, compared."""

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

# What phones write. Pillow itself decodes AVIF, and HEIC with the package pillow-heif.
HEIF = (".heic", ".heif", ".avif")
HEIF_FORMATS = ("AVIF", "HEIF")
GREY_MODES = ("1", "L", "LA", "La", "I;16", "I;16B", "I;16L", "I;16N")
ALPHA_MODES = ("RGBA", "RGBa", "LA", "La", "PA")
# Suffix of a written file: Pillow's name of the format, and how it is saved.
SAVED = {
    ".png": ("PNG", {"compress_level": 6}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"quality": 95}),
    ".tif": ("TIFF", {}),  # not compressed: libtiff, which would, refuses EXIF
    ".bmp": ("BMP", {}),
}
SAVED |= {".jpeg": SAVED[".jpg"], ".tiff": SAVED[".tif"]}
WITH_ALPHA = ("PNG", "WEBP", "TIFF")

# EXIF that tells who, when and with what; the tags of how the stored pixels lie are left behind,
# and with them the orientation and the thumbnail, which would no longer be true.
TOLD = ExifTags.Base
KEPT_TAGS = (
    TOLD.DocumentName, TOLD.ImageDescription, TOLD.Make, TOLD.Model, TOLD.XResolution,
    TOLD.YResolution, TOLD.ResolutionUnit, TOLD.Software, TOLD.DateTime, TOLD.Artist,
    TOLD.HostComputer, TOLD.Copyright, TOLD.Rating, TOLD.XPTitle, TOLD.XPComment, TOLD.XPAuthor,
    TOLD.XPKeywords, TOLD.XPSubject,
)  # fmt: skip
KEPT_FOLDERS = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)


@dataclass(frozen=True)
class Photo:
    """A photo as a viewer shows it, and what its restoration is to have of it.

    pixels: uint8 (H, W, 3) in sRGB, upright, over white where it is transparent. alpha: uint8
    (H, W), or None if it is opaque. exif: ready to be saved, without orientation and thumbnail.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None
    grey: bool
    exif: bytes


def read_photo(path: Path) -> Photo:
    """Read a photo. Raises UserError as `images.read_image`, and if HEIC cannot be decoded here."""
    if path.suffix.lower() in HEIF:
        with tempfile.TemporaryDirectory() as folder:
            png = _as_png(path, Path(folder) / "photo.png")
            try:
                return read_photo(png)
            except UserError as error:
                raise UserError(str(error).replace(shown(png), shown(path))) from None
    pixels = read_image(path)
    # From bytes: opened by name, Pillow garbles some turned TIFF files.
    with Image.open(io.BytesIO(path.read_bytes()), formats=FORMATS) as image:
        image.load()
        return Photo(pixels, _alpha(image), image.mode in GREY_MODES, _kept_exif(image, pixels))


def megapixels(path: Path) -> float | None:
    """A photo's megapixels by its header; None if it cannot be read."""
    try:
        with Image.open(path, formats=(*FORMATS, *_heif_formats())) as image:
            return image.width * image.height / 1e6
    except (*DECODE_ERRORS, Image.DecompressionBombError):
        return None


def write_photo(path: Path, restored: np.ndarray, photo: Photo) -> None:
    """Write a restoration, whole or not at all, in the format of the path's suffix (of `SAVED`).

    restored: uint8 (H, W, 3) in sRGB, over white like `photo.pixels`. It gets the photo's EXIF and
    a colour profile that says sRGB; grey if the photo is; and the photo's alpha, where the format
    has one.
    """
    kind, options = SAVED[path.suffix.lower()]
    alpha = photo.alpha if kind in WITH_ALPHA else None
    image = Image.fromarray(restored if alpha is None else _under_alpha(restored, alpha))
    if photo.grey:
        image = image.convert("L")  # a grey file without a profile is read as sRGB's grey
    else:
        options = options | {"icc_profile": srgb_profile()}
    if alpha is not None:
        image.putalpha(Image.fromarray(alpha))
    with atomic_path(path) as temporary:
        image.save(temporary, kind, exif=photo.exif, **options)


def write_comparison(path: Path, before: np.ndarray, after: np.ndarray, name: str) -> None:
    """Write two images of one size, uint8 (H, W, 3), side by side as JPEG: before and after."""
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
    """The ICC profile of sRGB, the same bytes every time."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = (2000).to_bytes(2, "big") + bytes([0, 1, 0, 1]) + bytes(6)  # when it was made
    return bytes(profile)


def is_photo(path: Path) -> bool:
    """Whether a file in a folder is taken for a photo, by its name."""
    return (
        path.suffix.lower() in (*SUFFIXES, *HEIF)
        and not path.name.startswith(".")
        and not path.is_dir()
    )


def _heif_formats() -> tuple[str, ...]:
    """Those of `HEIF_FORMATS` that Pillow decodes here."""
    with suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()
    Image.init()
    return tuple(kind for kind in HEIF_FORMATS if kind in Image.OPEN)


def _as_png(path: Path, png: Path) -> Path:
    """Write a HEIC or AVIF photo as PNG with its EXIF and colour profile; returns the PNG."""
    formats = _heif_formats()
    if path.suffix.lower() != ".avif" and "HEIF" not in formats:
        raise UserError(
            f"{shown(path)} is HEIC, which the package pillow-heif reads: 'pip install "
            "pillow-heif', or export the photo as JPEG or PNG."
        )
    try:
        with Image.open(path, formats=formats) as image:
            told = {"exif": image.getexif(), "icc_profile": image.info.get("icc_profile")}
            image.save(png, "PNG", compress_level=1, **told)
    except (*DECODE_ERRORS, Image.DecompressionBombError) as error:
        raise UserError(
            f"{shown(path)} cannot be decoded ({error}). Export the photo as JPEG or PNG."
        ) from error
    return png


def _alpha(image: Image.Image) -> np.ndarray | None:
    """The upright alpha channel of a loaded image, if one is there and says anything."""
    if image.mode not in ALPHA_MODES and not (
        "transparency" in image.info and image.mode in ("1", "L", "P", "RGB")
    ):
        return None
    alpha = image.convert("RGBA").getchannel("A")
    orientation = image.getexif().get(EXIF_ORIENTATION, 1)
    if orientation in TURNS:
        alpha = alpha.transpose(TURNS[orientation])
    return None if alpha.getextrema() == (255, 255) else np.array(alpha)


def _under_alpha(seen: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The colours that give `seen` over white with this alpha; `seen` itself where it is 0."""
    share = np.maximum(alpha, 1)[..., None] / 255
    colour = np.rint((seen - 255 * (1 - share)) / share).clip(0, 255).astype(np.uint8)
    return np.where(alpha[..., None] == 0, seen, colour)


def _kept_exif(image: Image.Image, pixels: np.ndarray) -> bytes:
    """A photo's EXIF for its upright restoration; empty if there is none or it is damaged."""
    kept = Image.Exif()
    try:
        told = image.getexif()
        kept.update({tag: told[tag] for tag in KEPT_TAGS if tag in told})
        for folder in KEPT_FOLDERS:
            if values := dict(told.get_ifd(folder)):
                kept[folder] = values
        if values := kept.get(ExifTags.IFD.Exif):
            height, width = pixels.shape[:2]
            values |= {TOLD.ExifImageWidth: width, TOLD.ExifImageHeight: height}
        return kept.tobytes() if len(kept) else b""
    except DECODE_ERRORS:
        return b""
