"""Kinds of image files that are not read, so that they can be named instead of skipped."""

from pathlib import Path

RAW = "a camera's RAW file"
UNREAD = {
    ".avif": "AVIF", ".gif": "GIF", ".heic": "HEIC", ".heif": "HEIF", ".jp2": "JPEG 2000",
    ".jxl": "JPEG XL", ".ppm": "PPM", ".pgm": "PGM", ".exr": "OpenEXR", ".hdr": "Radiance HDR",
    ".arw": RAW, ".cr2": RAW, ".cr3": RAW, ".dng": RAW, ".nef": RAW, ".orf": RAW, ".raf": RAW,
    ".rw2": RAW,
}  # fmt: skip


def why_unread(path: Path) -> str:
    """Why a file with an image's suffix is not read, and what to do; "" for any other file."""
    kind = UNREAD.get(path.suffix.lower())
    return f"{kind} is not read: convert it to PNG" if kind else ""
