"""Decodes image files as they are stored: 8 bit, not yet turned, in the file's own colours."""

import io
import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from benchmark.core.colour import Cicp, cicp_of
from benchmark.core.errors import UserError, is_out_of_memory
from benchmark.core.image_kinds import RAW_SUFFIXES
from benchmark.core.paths import shown
from benchmark.core.reading import regular

# For data sets, only these decoders may run: Pillow has others (EPS, PDF) that start outside
# programs. `restoring.photo_formats` adds HEIC, AVIF and JPEG XL for one's own photos.
FORMATS = ("BMP", "JPEG", "PNG", "TIFF", "WEBP")
# Several pictures in one file, of which the first, or the one that the file names, is the photo.
WITH_EXTRA_PICTURES = ("MPO", "HEIF")
TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# The largest picture that is read, in pixels: a phone's sensor has 200 million. Pillow refuses
# twice its limit and only warns above it.
LARGEST = 256_000_000
MOST_BYTES = 2**31  # of a file: so many pixels of 16-bit RGBA have 2.05e9
Image.MAX_IMAGE_PIXELS = LARGEST // 2
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

# Errors that Pillow's decoders raise for broken files.
DECODE_ERRORS = (
    OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, OverflowError,
    RuntimeError, struct.error, zlib.error,
)  # fmt: skip

EXIF_ORIENTATION = 0x0112
TIFF_SUBFILE, TIFF_WIDTH, TIFF_HEIGHT, TIFF_BITS, TIFF_PHOTOMETRIC = 254, 256, 257, 258, 262
TIFF_PLANAR, TIFF_SUB_IFDS, TIFF_EXTRA, TIFF_SAMPLE_FORMAT = 284, 330, 338, 339
DNG_VERSION = 50706
SAVE_AS = "Save it as 8-bit or 16-bit RGB or grey."


@dataclass(frozen=True)
class Decoded:
    """An image file as it is stored.

    image: 8 bit, of any mode. orientation: the EXIF code of the turn that is still to be made.
    profile, cicp: what the file says of its colours (`colour.to_srgb`). file: Pillow's image of the
    file, for its format and metadata.
    """

    image: Image.Image
    orientation: int
    profile: bytes | None
    cicp: Cicp | None
    file: Image.Image


def decode(path: Path, formats: tuple[str, ...] = FORMATS) -> Decoded:
    """Decode a file with the decoders that Pillow calls `formats`.

    Raises UserError, naming the file and what to do: missing, unreadable, not an image, truncated,
    too large, several frames, pixels of an unsupported kind, a camera's RAW file. Raises
    MemoryError if there is not enough memory for it.
    """
    if path.suffix.lower() in RAW_SUFFIXES:
        raise raw_error(path)
    data = _read_bytes(path)
    try:
        # From bytes, not by name: Pillow maps plain TIFF files into memory, and then decodes turned
        # ones wrongly.
        with Image.open(io.BytesIO(data), formats=formats) as opened:
            _refuse_unsupported(opened, data, path)
            wide = _bits(opened, data) == 16
            opened.load()
            # Only after loading: Pillow and OpenCV turn a TIFF themselves, and Pillow then removes
            # the tag. JPEG XL is turned too, and keeps the tag; only a JPEG inside it is not.
            turned = opened.format == "JXL" and not opened.jpeg
            orientation = 1 if turned else opened.getexif().get(EXIF_ORIENTATION, 1)
            return Decoded(
                _decode_16_bit(opened, data) if wide else opened,
                orientation,
                opened.info.get("icc_profile"),
                cicp_of(data, opened.format),
                opened,
            )
    except Image.DecompressionBombError as error:
        raise UserError(f"{shown(path)} has too many pixels ({error}). Scale it down.") from error
    except Image.UnidentifiedImageError as error:
        if data[:4] in TIFF_MAGIC and "TIFF" in formats:
            raise UserError(
                f"{shown(path)} is a TIFF file of a kind that is not supported. {SAVE_AS}"
            ) from error
        raise UserError(
            f"{shown(path)} is not an image of a known kind ({', '.join(formats)}). "
            "Convert it or remove it."
        ) from error
    except (*DECODE_ERRORS, cv2.error) as error:
        if is_out_of_memory(error):
            raise MemoryError(str(error)) from error
        raise UserError(
            f"{shown(path)} is damaged or truncated ({error}). Fetch or save it again."
        ) from error


def _read_bytes(path: Path) -> bytes:
    try:
        return regular(path, MOST_BYTES).read_bytes()
    except FileNotFoundError as error:
        raise UserError(
            f"There is no file {shown(path)}. Check the path, or fetch the data ('dvc pull')."
        ) from error
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
        raise UserError(
            f"{shown(path)} cannot be read ({getattr(error, 'strerror', None) or error}). Check "
            "that it is a file and that you may read it."
        ) from error


def raw_error(path: Path) -> UserError:
    """The error for a camera's RAW file."""
    return UserError(
        f"{shown(path)} is a camera's RAW file. Develop it first: export it from a RAW converter "
        "as JPEG, or as 16-bit TIFF or PNG in sRGB."
    )


def _refuse_unsupported(image: Image.Image, data: bytes, path: Path) -> None:
    if image.format == "TIFF" and _holds_larger_picture(image.tag_v2, data):
        raise raw_error(path)
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format not in WITH_EXTRA_PICTURES:
        raise UserError(
            f"{shown(path)} holds {frames} frames or pages. Save the one to use as a single image."
        )
    # Values of "I" and "F" have no defined range; LAB and HSV have no standard conversion. 16-bit
    # grey is read from PNG and TIFF.
    odd = image.mode in ("I", "F", "LAB", "HSV") or _is_odd_tiff(image)
    if odd or (image.mode.startswith("I;16") and image.format not in ("PNG", "TIFF")):
        raise UserError(
            f"{shown(path)} has pixels of a kind that is not supported (mode {image.mode}). "
            f"{SAVE_AS}"
        )


def _holds_larger_picture(tags: ImageFileDirectory_v2, data: bytes) -> bool:
    """Whether a TIFF's first picture is the thumbnail of another one, as in DNG, NEF and ARW."""
    if DNG_VERSION in tags or tags.get(TIFF_SUBFILE, 0) & 1:
        return True
    pixels = tags.get(TIFF_WIDTH, 0) * tags.get(TIFF_HEIGHT, 0)
    places = tags.get(TIFF_SUB_IFDS, ())
    for place in places if isinstance(places, tuple) else (places,):
        stream = io.BytesIO(data)
        stream.seek(place)
        sub = ImageFileDirectory_v2(data[: 16 if data[:4] in TIFF_MAGIC[2:] else 8])
        sub.load(stream)
        if sub.get(TIFF_WIDTH, 0) * sub.get(TIFF_HEIGHT, 0) > pixels:
            return True
    return False


def _is_odd_tiff(image: Image.Image) -> bool:
    """Whether a TIFF has samples that decoders read wrongly or not at all: signed or float, or
    16-bit ones that stand in planes or are neither grey nor RGB."""
    if image.format != "TIFF":
        return False
    tags = image.tag_v2
    unsigned = set(tags.get(TIFF_SAMPLE_FORMAT, (1,))) == {1}
    plain = tags.get(TIFF_PLANAR, 1) == 1 and tags.get(TIFF_PHOTOMETRIC) in (0, 1, 2)
    return not unsigned or (not plain and max(tags.get(TIFF_BITS, (1,))) > 8)


def _bits(image: Image.Image, data: bytes) -> int:
    """Bits per channel, from the header: Pillow's mode is RGB for both 8-bit and 16-bit colour."""
    if image.format == "PNG":
        return data[24]  # in IHDR, the first chunk of every PNG
    if image.format == "TIFF":
        return max(image.tag_v2.get(TIFF_BITS, (1,)))
    return 8


def _decode_16_bit(file: Image.Image, data: bytes) -> Image.Image:
    """16-bit pixels as an 8-bit image, by OpenCV: Pillow drops the low byte of colour."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16:
        raise ValueError("its 16-bit pixels cannot be decoded")
    pixels = np.rint(pixels / 257).astype(np.uint8)
    tags = file.tag_v2 if file.format == "TIFF" else {}
    if pixels.ndim == 2:  # OpenCV gives the values as stored: WhiteIsZero is to be inverted
        return Image.fromarray(255 - pixels if tags.get(TIFF_PHOTOMETRIC) == 0 else pixels)
    if pixels.shape[2] == 3:
        return Image.fromarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))
    pixels = cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA)
    extra = tags.get(TIFF_EXTRA, (2,))[0]
    if extra == 0:  # a fourth channel that is no transparency
        return Image.fromarray(np.ascontiguousarray(pixels[..., :3]))
    if extra == 1:  # the colours are multiplied by the transparency
        return Image.frombytes("RGBa", pixels.shape[1::-1], pixels.tobytes())
    return Image.fromarray(pixels)
