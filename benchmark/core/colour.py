"""Colours of image files become sRGB: ICC profiles, and CICP codes of PNG, AVIF and HEIC.

CICP: "coding-independent code points", ITU-T H.273: numbers of primaries and transfer function.
"""

import io
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

from benchmark.core.errors import UserError
from benchmark.core.paths import shown

# H.273, table 3. High dynamic range has no defined look in 8-bit sRGB.
HDR = {16: "PQ", 18: "HLG"}
# Transfer functions to be shown as sRGB's own: BT.709 and its kin, sRGB, and "unspecified".
LIKE_SRGB = (1, 2, 6, 13, 14, 15)
GAMMA = {4: 2.2, 5: 2.8, 8: 1.0}
BT709 = (1, 2)  # sRGB's own primaries, and "unspecified"
# H.273, table 2: x and y of red, green and blue. The white is D65.
PRIMARIES = {
    1: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),
    2: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),
    5: ((0.640, 0.330), (0.290, 0.600), (0.150, 0.060)),
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    7: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
D65 = (0.3127, 0.3290)
D50_XYZ = (0.9642, 1.0, 0.8249)  # the white of ICC's connection space
BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)  # IEC 61966-2-1

Cicp = tuple[int, int]  # the codes of primaries and of the transfer function


def to_srgb(
    image: Image.Image, profile: bytes | None, cicp: Cicp | None, path: Path
) -> Image.Image:
    """An 8-bit image (L, RGB, CMYK or a mode that Pillow makes RGB) as RGB in sRGB.

    profile: the file's ICC profile. cicp: its codes, which count if there is no profile. Both are
    converted relative-colorimetrically with black point compensation. An image that is in sRGB
    already keeps its values exactly. If the profile is damaged or does not fit, or a code is
    unknown, the image is taken as sRGB, and a warning names it. Raises UserError for PQ and HLG.
    """
    for codes in (cicp, _cicp_tag(profile or b"")):
        if codes and codes[1] in HDR:
            raise UserError(
                f"{shown(path)} is an HDR image ({HDR[codes[1]]}), whose colours are not defined "
                "in 8-bit sRGB. Export it without HDR, as JPEG, or as PNG in sRGB or Display P3."
            )
    if profile:
        return _by_profile(image, profile, path)
    if not cicp or (cicp[0] in BT709 and cicp[1] in LIKE_SRGB):
        return _as_rgb(image)
    if cicp[0] not in PRIMARIES or cicp[1] not in (*LIKE_SRGB, *GAMMA):
        _warn(path, f"has colours of an unknown kind (CICP codes {cicp[0]} and {cicp[1]})")
        return _as_rgb(image)
    return _convert(_as_rgb(image), ImageCms.ImageCmsProfile(io.BytesIO(icc_profile(*cicp))))


def cicp_of(data: bytes, format_name: str | None) -> Cicp | None:
    """The CICP codes in a PNG, AVIF or HEIC file; None if it has none.

    data: the file. format_name: Pillow's name of its format.
    """
    if format_name == "PNG":
        for kind, start, _ in _png_chunks(data):
            if kind == b"cICP" and start + 2 <= len(data):
                return data[start], data[start + 1]
    if format_name in ("AVIF", "HEIF"):
        return _nclx(data, 0, len(data), (b"meta", b"iprp", b"ipco", b"colr"))
    return None


def icc_profile(primaries: int, transfer: int) -> bytes:
    """The ICC profile (version 4: matrix and curve) of CICP codes, keys of the tables above.

    Its matrix is adapted from D65 to D50 by Bradford's transform, as ICC.1:2022 annex E asks.
    """
    if transfer in GAMMA:
        curve = struct.pack(">4xHxx", 0) + _fixed(GAMMA[transfer])
    else:
        curve = struct.pack(">4xHxx", 3) + _fixed(*SRGB_CURVE)
    columns = _to_d50_xyz(primaries).T
    text = "CICP".encode("utf-16-be")
    words = struct.pack(">4xII2sHII", 1, 12, b"en", 0x5553, len(text), 28) + text
    tags = {b"desc": b"mluc" + words, b"cprt": b"mluc" + words}
    tags[b"wtpt"] = b"XYZ " + bytes(4) + _fixed(*D50_XYZ)
    for name, column in zip("rgb", columns, strict=True):
        tags[f"{name}XYZ".encode()] = b"XYZ " + bytes(4) + _fixed(*column)
        tags[f"{name}TRC".encode()] = b"para" + curve
    directory, body = struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        directory += struct.pack(">4sII", name, 132 + 12 * len(tags) + len(body), len(content))
        body += content
    size = 128 + len(directory) + len(body)
    header = struct.pack(">I4xI4s4s4s", size, 0x04400000, b"mntr", b"RGB ", b"XYZ ")
    header += struct.pack(">6H4s", 2000, 1, 1, 0, 0, 0, b"acsp") + bytes(28) + _fixed(*D50_XYZ)
    return header.ljust(128, b"\0") + directory + body


def _by_profile(image: Image.Image, profile: bytes, path: Path) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() == "RGB":
            if image.mode != "CMYK":  # which it does not fit
                image = _as_rgb(image)
            if image.mode == "RGB" and _is_srgb(source):
                return image
        return _convert(image, source)
    except (ImageCms.PyCMSError, OSError) as error:
        _warn(
            path,
            f"has a colour profile that is damaged or does not fit its {image.mode} pixels "
            f"({error})",
        )
        return _as_rgb(image)


def _is_srgb(source: ImageCms.ImageCmsProfile) -> bool:
    """Whether an RGB profile is sRGB, up to two levels of rounding. Its name does not say: sRGB's
    curve with other primaries, and its primaries with another curve, are called sRGB too."""
    values = np.linspace(0, 255, 9).astype(np.uint8)
    grid = np.stack(np.meshgrid(values, values, values), axis=-1).reshape(27, 27, 3)
    converted = np.asarray(_convert(Image.fromarray(grid), source))
    return bool(np.abs(converted.astype(int) - grid).max() <= 2)


def _convert(image: Image.Image, source: ImageCms.ImageCmsProfile) -> Image.Image:
    return ImageCms.profileToProfile(
        image,
        source,
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )


def _warn(path: Path, fault: str) -> None:
    remedy = "It is read as sRGB. If its colours look wrong, save it in sRGB."
    warnings.warn(f"{shown(path)} {fault}. {remedy}", UserWarning, stacklevel=4)


def _as_rgb(image: Image.Image) -> Image.Image:
    return image if image.mode == "RGB" else image.convert("RGB")  # convert() copies


def _to_d50_xyz(primaries: int) -> np.ndarray:
    """Matrix (3, 3) from linear RGB with a white of D65 to XYZ with a white of D50."""
    xyz = np.array([[x / y, 1, (1 - x - y) / y] for x, y in (*PRIMARIES[primaries], D65)]).T
    columns, white = xyz[:, :3], xyz[:, 3]
    to_xyz = columns * np.linalg.solve(columns, white)
    scale = (BRADFORD @ D50_XYZ) / (BRADFORD @ white)
    return np.linalg.inv(BRADFORD) @ np.diag(scale) @ BRADFORD @ to_xyz


def _fixed(*values: float) -> bytes:
    """Numbers as ICC's s15Fixed16."""
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def _cicp_tag(profile: bytes) -> Cicp | None:
    """The codes in an ICC profile (tag cicp, ICC.1:2022, 9.2.17); None if it has none."""
    count = int.from_bytes(profile[128:132], "big")
    for i in range(min(count, 100)):
        entry = profile[132 + 12 * i : 144 + 12 * i]
        at = int.from_bytes(entry[4:8], "big") + 8
        if entry[:4] == b"cicp" and at + 2 <= len(profile):
            return profile[at], profile[at + 1]
    return None


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and length of the content of the chunks before the pixels."""
    at = 8
    while at + 8 <= len(data) and data[at + 4 : at + 8] != b"IDAT":
        size = int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : at + 8], at + 8, size
        at += size + 12


def _nclx(data: bytes, start: int, end: int, names: tuple[bytes, ...]) -> Cicp | None:
    """The codes in the first colour box of ISO base media (ISO/IEC 23008-12), on a path of boxes.

    The boxes of the main picture come first; those of a gain map or a thumbnail follow.
    """
    while start + 8 <= end:
        size, at = int.from_bytes(data[start : start + 4], "big"), start + 8
        if size == 1:
            size, at = int.from_bytes(data[at : at + 8], "big"), at + 8
        stop = end if size == 0 else min(start + size, end)
        if stop <= start:
            return None
        name, found = data[start + 4 : start + 8], None
        if name == names[0] == b"colr":
            if data[at : at + 4] == b"nclx" and at + 8 <= stop:
                found = data[at + 4 : at + 8]
                return int.from_bytes(found[:2], "big"), int.from_bytes(found[2:], "big")
        elif name == names[0]:
            found = _nclx(data, at + 4 * (name == b"meta"), stop, names[1:])
        if found:
            return found
        start = stop
    return None
