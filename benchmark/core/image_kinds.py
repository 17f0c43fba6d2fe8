"""Kinds of image files that are not read, and names of those that are no photos."""

from pathlib import Path

# Files of a camera's sensor. Many are TIFF inside, with a thumbnail as their first picture.
RAW_SUFFIXES = (
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".iiq", ".kdc", ".mef",
    ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf",
    ".srw", ".x3f",
)  # fmt: skip
UNREAD = {
    ".avif": "AVIF", ".gif": "GIF", ".heic": "HEIC", ".heif": "HEIF", ".hif": "HEIF",
    ".jp2": "JPEG 2000", ".jxl": "JPEG XL", ".ppm": "PPM", ".pgm": "PGM", ".exr": "OpenEXR",
    ".hdr": "Radiance HDR", **dict.fromkeys(RAW_SUFFIXES, "a camera's RAW file"),
}  # fmt: skip
# Endings of what `restore` writes beside a restored photo.
COMPARISON = "-compare.jpg"
UNCERTAINTY = "-uncertainty.png"


def why_unread(path: Path) -> str:
    """Why a file with an image's suffix is not read, and what to do; "" for any other file."""
    kind = UNREAD.get(path.suffix.lower())
    return f"{kind} is not read: convert it to PNG" if kind else ""
