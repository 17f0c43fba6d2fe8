"""Image files: read any common kind as 8-bit sRGB, write PNG, convert to and from [0, 1]."""

import io
import struct
import zlib
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from PIL import Image, ImageCms

from benchmark.core.atomic import atomic_path
from benchmark.core.errors import UserError
from benchmark.core.paths import is_utf8, shown
from benchmark.core.reading import regular

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
# Only these decoders may run: Pillow has others (EPS, PDF) that start outside programs.
FORMATS = ("BMP", "JPEG", "PNG", "TIFF", "WEBP")
MOST_BYTES = 2**31  # of a file: an image of 179 megapixels that is not compressed has 1.4e9
WHITE = (255, 255, 255, 255)

# Errors that Pillow's decoders raise for broken files.
DECODE_ERRORS = (
    OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, OverflowError,
    RuntimeError, struct.error, zlib.error,
)  # fmt: skip

EXIF_ORIENTATION = 0x0112
TIFF_BITS, TIFF_PLANAR, TIFF_SAMPLE_FORMAT = 258, 284, 339
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
    - CMYK, and anything with an embedded ICC profile other than sRGB, is converted to sRGB
      (relative colorimetric, black point compensation). CMYK without a profile is converted by
      Pillow's plain formula. PNG's gAMA and cHRM chunks are ignored.
    - Of a camera's multi-picture JPEG (MPO), the first picture is read. Animations and files of
      several pages are refused, because the frame to use is not known.

    Raises UserError, naming the file and what to do: missing, unreadable, not an image, truncated,
    more than 179 megapixels, several frames, float or 32-bit values, unusable colour profile.
    """
    return np.array(open_image(path))


def open_image(path: str | Path) -> Image.Image:
    """As `read_image`, but a Pillow image: converting only a crop to an array is cheaper."""
    path = Path(path)
    image, orientation, profile = _decode(path, _read_bytes(path))
    image = _to_srgb(_without_alpha(image), profile, path)
    return image.transpose(TURNS[orientation]) if orientation in TURNS else image


def image_size(path: Path) -> tuple[int, int]:
    """Width and height, in pixels, of the image that `read_image` returns, from the header alone.

    Raises UserError, naming the file, if it is missing or not an image.
    """
    try:
        with Image.open(regular(path), formats=FORMATS) as opened:
            width, height = opened.size
            turned = opened.getexif().get(EXIF_ORIENTATION, 1) in (5, 6, 7, 8)
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
    return image.astype(np.float32) / np.float32(255)


def to_uint8(image: np.ndarray, quantise: Literal["round", "truncate"] = "round") -> np.ndarray:
    """Float in [0, 1], of any shape, as uint8 in [0, 255]: clipped, then rounded half to even.

    quantise: `truncate` takes the level below instead of the nearest. In both ways
    `to_uint8(to_float(x))` is x. Raises ValueError for values that are not finite: a method that
    returns them has failed.
    """
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


def _decode(path: Path, data: bytes) -> tuple[Image.Image, int, bytes | None]:
    """The 8-bit image as stored, its EXIF orientation, and its ICC profile."""
    try:
        # From bytes, not by name: Pillow maps plain TIFF files into memory, and then decodes turned
        # ones wrongly.
        with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
            _refuse_unsupported(opened, path)
            bits = _bits(opened, data)
            opened.load()
            # Only after loading: Pillow and OpenCV turn a TIFF themselves, and Pillow then removes
            # the tag.
            orientation = opened.getexif().get(EXIF_ORIENTATION, 1)
            profile = opened.info.get("icc_profile")
            return _decode_16_bit(data) if bits == 16 else opened, orientation, profile
    except Image.DecompressionBombError as error:
        raise UserError(f"{shown(path)} has too many pixels ({error}). Scale it down.") from error
    except Image.UnidentifiedImageError as error:
        raise UserError(
            f"{shown(path)} is not an image of a known kind ({', '.join(FORMATS)}). "
            "Convert it or remove it."
        ) from error
    except (*DECODE_ERRORS, cv2.error) as error:
        raise UserError(
            f"{shown(path)} is damaged or truncated ({error}). Fetch or save it again."
        ) from error


def _refuse_unsupported(image: Image.Image, path: Path) -> None:
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":
        raise UserError(
            f"{shown(path)} holds {frames} frames or pages. Save the one to use as a single image."
        )
    # Values of "I" and "F" have no defined range; LAB and HSV have no standard conversion.
    if image.mode in ("I", "F", "LAB", "HSV") or _is_odd_tiff(image):
        raise UserError(
            f"{shown(path)} has pixels of a kind that is not supported (mode {image.mode}). "
            "Save it as 8-bit or 16-bit RGB or grey."
        )


def _is_odd_tiff(image: Image.Image) -> bool:
    """Whether a TIFF has signed or float samples, or 16-bit planes: decoders read them wrongly."""
    if image.format != "TIFF":
        return False
    tags = image.tag_v2
    unsigned = set(tags.get(TIFF_SAMPLE_FORMAT, (1,))) == {1}
    planes = tags.get(TIFF_PLANAR, 1) == 2
    return not unsigned or (planes and max(tags.get(TIFF_BITS, (1,))) > 8)


def _bits(image: Image.Image, data: bytes) -> int:
    """Bits per channel, from the header: Pillow's mode is RGB for both 8-bit and 16-bit colour."""
    if image.format == "PNG":
        return data[24]  # in IHDR, the first chunk of every PNG
    if image.format == "TIFF":
        return max(image.tag_v2.get(TIFF_BITS, (1,)))
    return 8


def _decode_16_bit(data: bytes) -> Image.Image:
    """16-bit pixels as an 8-bit image, by OpenCV: Pillow drops the low byte of colour."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16:
        raise ValueError("its 16-bit pixels cannot be decoded")
    pixels = np.rint(pixels / 257).astype(np.uint8)
    if pixels.ndim == 3:
        pixels = cv2.cvtColor(
            pixels, cv2.COLOR_BGRA2RGBA if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB
        )
    return Image.fromarray(pixels)


def _without_alpha(image: Image.Image) -> Image.Image:
    """The image as grey (L), RGB or CMYK; transparent parts are composited over white."""
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, WHITE), image).convert("RGB")
    if image.mode in ("L", "RGB", "CMYK"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _to_srgb(image: Image.Image, profile: bytes | None, path: Path) -> Image.Image:
    """RGB in sRGB. An image that is in sRGB already keeps its values exactly."""
    if not profile:
        return _as_rgb(image)
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(source).lower():
            return _as_rgb(image)
        if image.mode == "L" and source.profile.xcolor_space.strip() == "RGB":
            image = image.convert("RGB")
        return ImageCms.profileToProfile(
            image,
            source,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError) as error:
        raise UserError(
            f"The colour profile in {shown(path)} does not fit its {image.mode} pixels or is "
            f"damaged ({error}). Save the image in sRGB, or without a profile."
        ) from error


def _as_rgb(image: Image.Image) -> Image.Image:
    return image if image.mode == "RGB" else image.convert("RGB")  # convert() copies
