"""What a restoration keeps of a photo's EXIF, XMP and IPTC, and how formats hold it."""

import re
from dataclasses import dataclass
from typing import Any

from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from benchmark.core.image_decoding import DECODE_ERRORS
from benchmark.restoring.photo_formats import Format

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
TIFF_XMP, TIFF_IPTC = 700, 33723
PHOTOSHOP_IPTC = 0x0404  # number of the IPTC block in a JPEG's Photoshop segment
# XMP that describes further pictures in the file, which the restoration does not have: gain maps of
# HDR, motion photos, depth maps.
XMP_OF_PICTURES = (b"hdrgm:", b"Container:Directory", b"GCamera:", b"GDepth:", b"HDRGainMap:")
XMP_ORIENTATION = re.compile(rb"(tiff:Orientation(?:=[\"']|>))\s*\d")
XMP_THUMBNAILS = re.compile(rb"<(xmp|xap):Thumbnails\b.*?</\1:Thumbnails>", re.DOTALL)
LARGEST_JPEG_SEGMENT = 65_533


@dataclass(frozen=True)
class Metadata:
    """A photo's metadata, made ready for its upright restoration; empty where it has none.

    exif: without orientation and thumbnail. xmp: a packet. iptc: IPTC-IIM records. lost: names of
    what cannot be kept in any format.
    """

    exif: bytes = b""
    xmp: bytes = b""
    iptc: bytes = b""
    lost: tuple[str, ...] = ()


def read_metadata(image: Image.Image, width: int, height: int) -> Metadata:
    """The metadata of a loaded image. width, height: of the upright photo, in pixels."""
    xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    xmp = xmp.encode() if isinstance(xmp, str) else bytes(xmp)
    lost: tuple[str, ...] = ()
    if any(name in xmp for name in XMP_OF_PICTURES):
        xmp, lost = b"", ("XMP (it describes further pictures in the file)",)
    xmp = XMP_THUMBNAILS.sub(b"", XMP_ORIENTATION.sub(rb"\g<1>1", xmp))
    return Metadata(_kept_exif(image, width, height), xmp, _iptc(image), lost)


def save_options(metadata: Metadata, kind: Format) -> tuple[dict[str, Any], list[str]]:
    """Pillow's options that save the metadata in a format, and the names of what is lost."""
    options: dict[str, Any] = {}
    lost, exif, xmp, iptc = list(metadata.lost), metadata.exif, metadata.xmp, metadata.iptc
    if kind.name == "TIFF":
        tags = Image.Exif()
        tags.load(exif)
        tags.update({tag: value for tag, value in ((TIFF_XMP, xmp), (TIFF_IPTC, iptc)) if value})
        return {"exif": tags} if len(tags) else {}, lost
    if kind.name == "BMP":
        kinds = {"EXIF": exif, "XMP": xmp, "IPTC": iptc}
        return {}, lost + [name for name, data in kinds.items() if data]
    if exif:
        options["exif"] = exif
    if kind.name == "PNG" and xmp:
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp.decode("utf-8", "replace"))
    elif kind.name == "JPEG" and len(xmp) > LARGEST_JPEG_SEGMENT - 29:
        lost.append("XMP (too long for JPEG)")
    elif xmp:
        options["xmp"] = xmp
    if iptc and kind.name == "JPEG" and len(iptc) < LARGEST_JPEG_SEGMENT - 40:
        options["extra"] = _photoshop_segment(iptc)
    elif iptc:
        lost.append("IPTC")
    return options, lost


def _kept_exif(image: Image.Image, width: int, height: int) -> bytes:
    """The EXIF for the upright restoration; empty if the photo's is missing or damaged."""
    kept = Image.Exif()
    try:
        exif = image.getexif()
        kept.update({tag: exif[tag] for tag in KEPT_TAGS if tag in exif})
        for folder in KEPT_FOLDERS:
            if values := dict(exif.get_ifd(folder)):
                kept[folder] = values
        if values := kept.get(ExifTags.IFD.Exif):
            values |= {TAG.ExifImageWidth: width, TAG.ExifImageHeight: height}
        return kept.tobytes() if len(kept) else b""
    except DECODE_ERRORS:
        return b""


def _iptc(image: Image.Image) -> bytes:
    """IPTC records, from a JPEG's Photoshop segment or a TIFF's tag."""
    blocks = image.info.get("photoshop")
    if isinstance(blocks, dict):
        return bytes(blocks.get(PHOTOSHOP_IPTC, b""))
    tags = getattr(image, "tag_v2", None)
    found = tags.get(TIFF_IPTC, b"") if tags is not None else b""
    return found if isinstance(found, bytes) else b""


def _photoshop_segment(iptc: bytes) -> bytes:
    """A JPEG's segment APP13 with one Photoshop block, IPTC (Adobe Photoshop File Formats)."""
    block = b"8BIM" + PHOTOSHOP_IPTC.to_bytes(2, "big") + bytes(2)
    block += len(iptc).to_bytes(4, "big") + iptc + bytes(len(iptc) % 2)
    body = b"Photoshop 3.0\0" + block
    return b"\xff\xed" + (len(body) + 2).to_bytes(2, "big") + body
