"""File formats of users' photos: which are read and written here, and what each can hold."""

import importlib
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from benchmark.core.errors import UserError
from benchmark.core.image_decoding import DECODE_ERRORS, FORMATS, RAW_SUFFIXES, raw_error
from benchmark.core.image_io import SUFFIXES
from benchmark.core.image_kinds import UNREAD
from benchmark.core.paths import shown
from benchmark.core.reading import regular

# Formats that Pillow reads only with a package, or only if it was built with it.
PACKAGES = {"HEIF": "pillow-heif", "JXL": "pillow-jxl-plugin", "AVIF": "pillow"}
EXTRA_SUFFIXES = {
    ".avif": "AVIF", ".heic": "HEIF", ".heif": "HEIF", ".hif": "HEIF", ".jxl": "JXL",
}  # fmt: skip
NAMES = {"HEIF": "HEIC", "JXL": "JPEG XL"}
READ = "JPEG, PNG, TIFF, WebP, BMP, AVIF, HEIC and JPEG XL"


@dataclass(frozen=True)
class Format:
    """A format of written photos.

    name: Pillow's. options: of saving. longest: the longest side in pixels that it can hold; None
    if it has no limit that matters. alpha: whether it has transparency.
    """

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    longest: int | None = None
    alpha: bool = True


JPEG = Format("JPEG", {"quality": 95, "subsampling": 0}, longest=65_500, alpha=False)
PNG = Format("PNG", {"compress_level": 6})
TIFF = Format("TIFF")  # not compressed: with compression, libtiff cannot write EXIF
WEBP = Format("WEBP", {"quality": 95}, longest=16_383)
BMP = Format("BMP", alpha=False)
AVIF = Format("AVIF", {"quality": 90, "subsampling": "4:4:4"}, longest=65_536)
HEIF = Format("HEIF", {"quality": 90, "chroma": 444}, longest=16_384)
JXL = Format("JXL", {"quality": 95})
# By the suffix of the written file.
WRITTEN = {
    ".png": PNG, ".jpg": JPEG, ".jpeg": JPEG, ".webp": WEBP, ".tif": TIFF, ".tiff": TIFF,
    ".bmp": BMP, ".avif": AVIF, ".heic": HEIF, ".heif": HEIF, ".hif": HEIF, ".jxl": JXL,
}  # fmt: skip
# The usual suffix of a format that a photo has under another one, such as .jfif or none.
USUAL_SUFFIX = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "TIFF": ".tif", "WEBP": ".webp"}
USUAL_SUFFIX |= {"BMP": ".bmp", "AVIF": ".avif", "HEIF": ".heic", "JXL": ".jxl"}


@dataclass(frozen=True)
class Header:
    """What a photo's header says. format: Pillow's name. width, height: as stored, in pixels."""

    format: str
    width: int
    height: int

    @property
    def megapixels(self) -> float:
        return self.width * self.height / 1e6


def readable() -> tuple[str, ...]:
    """Pillow's names of the formats that photos are read in here."""
    with suppress(ImportError):
        importlib.import_module("pillow_heif").register_heif_opener()
    with suppress(ImportError):
        importlib.import_module("pillow_jxl")
    Image.init()
    return (*FORMATS, *(name for name in PACKAGES if name in Image.OPEN))


def header(path: Path) -> Header | None:
    """A photo's header; None if it cannot be read."""
    if path.suffix.lower() in RAW_SUFFIXES:
        return None
    try:
        with Image.open(regular(path), formats=readable()) as image:
            return Header(image.format or "", image.width, image.height)
    except (*DECODE_ERRORS, Image.DecompressionBombError):
        return None


def refuse_unreadable(path: Path) -> None:
    """UserError if a photo's suffix is that of a RAW file, of a format that is not supported, or of
    one that needs a package; or is no image's, and neither is the content."""
    if path.suffix.lower() in RAW_SUFFIXES:
        raise raw_error(path)
    if why := unsupported(path):
        raise UserError(f"{shown(path)}: {why}. Convert it to one of these.")
    name = EXTRA_SUFFIXES.get(path.suffix.lower())
    if name and name not in readable():
        raise UserError(
            f"{shown(path)} is {NAMES.get(name, name)}, which the package {PACKAGES[name]} reads: "
            f"'pip install {PACKAGES[name]}', or export the photo as JPEG or PNG."
        )
    if not is_photo(path) and not _has_content_of_image(path):
        raise UserError(
            f"{shown(path)} is no image of a kind that is read ({READ}; the last two need a "
            "package). Name a photo, or convert it to one of these."
        )


def _has_content_of_image(path: Path) -> bool:
    """Whether a file begins as an image does; also if it is damaged, too large or not readable:
    these have messages of their own."""
    try:
        with Image.open(regular(path), formats=readable()):
            return True
    except Image.UnidentifiedImageError:
        return False
    except (*DECODE_ERRORS, Image.DecompressionBombError):
        return True


def is_photo(path: Path) -> bool:
    """Whether a file is a photo by its suffix, also one that cannot be read here."""
    return path.suffix.lower() in (*SUFFIXES, *EXTRA_SUFFIXES, *RAW_SUFFIXES)


def unsupported(path: Path) -> str:
    """Why images with a file's suffix are not supported; "" for photos and what is no image."""
    kind = None if is_photo(path) else UNREAD.get(path.suffix.lower())
    return f"{kind} is not supported; {READ} are" if kind else ""


def written_as(path: Path) -> Format:
    """The format of a result file. Raises UserError if files with its suffix cannot be written."""
    kind = WRITTEN.get(path.suffix.lower())
    readable()  # registers the packages, which also write
    if kind is None or kind.name not in Image.SAVE:
        raise UserError(
            f"{shown(path)}: files with this suffix cannot be written. Choose a --format."
        )
    return kind
