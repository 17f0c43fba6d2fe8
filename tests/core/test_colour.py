"""Colours become sRGB: CICP codes of PNG and AVIF, ICC profiles that fit or not, HDR by name."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, features

from benchmark.core.colour import icc_profile
from benchmark.core.errors import UserError
from benchmark.core.image_decoding import FORMATS, decode
from benchmark.core.image_io import read_image, upright_srgb

RNG = np.random.default_rng(11)
RGB = RNG.integers(30, 226, (16, 24, 3), dtype=np.uint8)
# Linear Display P3 to linear sRGB, both with a white of D65 (W3C CSS Color 4, sample code).
P3_TO_SRGB = np.array(
    [
        [1.2249401762805598, -0.2249401762805598, 0.0],
        [-0.0420569547096881, 1.0420569547096881, 0.0],
        [-0.0196375545903344, -0.0786360455506319, 1.0982736001409663],
    ]
)


def linear(x):
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def coded(x):
    x = x.clip(0, 1)
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)


def p3_as_srgb(pixels):
    return 255 * coded(linear(pixels / 255) @ P3_TO_SRGB.T)


def png_with_cicp(path, pixels, primaries, transfer, **options):
    """A PNG with the chunk cICP (PNG, third edition, 11.3.2.6) after its header."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", **options)
    body = b"cICP" + bytes([primaries, transfer, 0, 1])
    chunk = struct.pack(">I", 4) + body + struct.pack(">I", zlib.crc32(body))
    path.write_bytes(file.getvalue()[:33] + chunk + file.getvalue()[33:])


def avif_with_cicp(path, pixels, primaries, transfer):
    """An AVIF of Pillow, whose codes 1 and 13 are replaced in the container."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "AVIF", quality=100, subsampling="4:4:4")
    data = file.getvalue()
    assert data.count(b"nclx\0\x01\0\x0d") == 1
    path.write_bytes(
        data.replace(b"nclx\0\x01\0\x0d", b"nclx" + struct.pack(">HH", primaries, transfer))
    )


def profile_with_cicp(primaries, transfer) -> bytes:
    """The sRGB profile with a tag cicp (ICC.1:2022), as JPEG XL decoders and cameras write it."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    count = int.from_bytes(profile[128:132], "big")
    tags = b""
    for i in range(count):
        name, at, size = struct.unpack(">4sII", profile[132 + 12 * i : 144 + 12 * i])
        tags += struct.pack(">4sII", name, at + 12, size)
    tags += struct.pack(">4sII", b"cicp", len(profile) + 12, 12)
    head = struct.pack(">I", len(profile) + 24) + profile[4:128] + struct.pack(">I", count + 1)
    tag = b"cicp" + bytes(4) + bytes([primaries, transfer, 0, 1])
    return head + tags + profile[132 + 12 * count :] + tag


def grey_profile() -> bytes:
    """A profile for grey with a linear tone curve."""
    rgb = bytearray(icc_profile(1, 8))
    rgb[16:20] = b"GRAY"
    return bytes(rgb).replace(b"rTRC", b"kTRC", 1)


def read_any(path):
    return np.asarray(upright_srgb(decode(path, (*FORMATS, "AVIF")), path))


needs_avif = pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
WRITERS = [
    pytest.param(png_with_cicp, ".png", id="png"),
    pytest.param(avif_with_cicp, ".avif", id="avif", marks=needs_avif),
]


@pytest.mark.parametrize(("write", "suffix"), WRITERS)
def test_display_p3_without_a_profile_is_converted(tmp_path, write, suffix):
    write(tmp_path / f"x{suffix}", RGB, 12, 13)
    stored = np.asarray(Image.open(tmp_path / f"x{suffix}"))  # AVIF is lossy
    found = read_any(tmp_path / f"x{suffix}")
    assert np.abs(found - p3_as_srgb(stored)).max() <= 1.5
    assert np.abs(found.astype(int) - stored).max() > 9


@pytest.mark.parametrize(("write", "suffix"), WRITERS)
@pytest.mark.parametrize("codes", [(1, 13), (2, 2), (1, 1), (2, 13)])
def test_srgb_by_its_codes_stays_as_it_is(tmp_path, write, suffix, codes):
    write(tmp_path / f"x{suffix}", RGB, *codes)
    stored = np.asarray(Image.open(tmp_path / f"x{suffix}"))
    assert np.array_equal(read_any(tmp_path / f"x{suffix}"), stored)


@pytest.mark.parametrize("transfer, gamma", [(4, 2.2), (5, 2.8), (8, 1.0)])
def test_other_curves_are_converted(tmp_path, transfer, gamma):
    png_with_cicp(tmp_path / "x.png", RGB, 1, transfer)
    expected = 255 * coded((RGB / 255) ** gamma)
    assert np.abs(read_image(tmp_path / "x.png") - expected).max() <= 1.5


@pytest.mark.parametrize("primaries", [5, 6, 9, 12])
def test_white_and_grey_keep_their_look_in_all_primaries(tmp_path, primaries):
    grey = np.repeat(np.arange(0, 256, 5, dtype=np.uint8)[None, :, None], 3, 2)
    png_with_cicp(tmp_path / "x.png", grey, primaries, 13)
    assert np.abs(read_image(tmp_path / "x.png").astype(int) - grey).max() <= 1


@pytest.mark.parametrize("transfer, name", [(16, "PQ"), (18, "HLG")])
@pytest.mark.parametrize("kind", ["png", "avif", "profile", "png-beside-profile"])
def test_hdr_is_refused_by_name(tmp_path, kind, transfer, name):
    file = tmp_path / f"holiday.{'avif' if kind == 'avif' else 'png'}"
    if kind == "avif":
        if not features.check("avif"):
            pytest.skip("this Pillow has no AVIF")
        avif_with_cicp(file, RGB, 9, transfer)
    elif kind == "profile":
        Image.fromarray(RGB).save(file, icc_profile=profile_with_cicp(9, transfer))
    else:
        options = {"icc_profile": profile_with_cicp(1, 13)} if "beside" in kind else {}
        png_with_cicp(file, RGB, 9, transfer, **options)
    with pytest.raises(UserError, match=rf"holiday.*HDR image \({name}\).*Export it without HDR"):
        read_any(file)


@pytest.mark.parametrize("codes", [(3, 13), (12, 99), (255, 255)])
def test_unknown_codes_are_read_as_srgb_with_a_warning(tmp_path, codes):
    png_with_cicp(tmp_path / "x.png", RGB, *codes)
    with pytest.warns(UserWarning, match=r"x\.png' has colours of an unknown kind"):
        assert np.array_equal(read_image(tmp_path / "x.png"), RGB)


def test_a_profile_counts_more_than_codes(tmp_path):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    png_with_cicp(tmp_path / "x.png", RGB, 12, 13, icc_profile=srgb)
    assert np.array_equal(read_image(tmp_path / "x.png"), RGB)


def named(profile, name):
    """An ICC profile with another description."""
    words = name.encode("utf-16-be")
    text = b"mluc" + struct.pack(">4xII2sHII", 1, 12, b"en", 0x5553, len(words), 28) + words
    at = profile.index(b"desc")
    place = struct.pack(">II", len(profile), len(text))
    profile = profile[: at + 4] + place + profile[at + 12 :] + text
    return struct.pack(">I", len(profile)) + profile[4:]


@pytest.mark.parametrize("name", ["linear sRGB", "sRGB g10"])
def test_a_linear_profile_with_srgb_in_its_name_is_converted(tmp_path, name):
    """GIMP embeds "GIMP built-in Linear sRGB"."""
    Image.fromarray(RGB).save(tmp_path / "x.png", icc_profile=named(icc_profile(1, 8), name))
    assert np.abs(read_image(tmp_path / "x.png") - 255 * coded(RGB / 255)).max() <= 1.5


def test_wide_primaries_with_the_curve_of_srgb_in_their_name_are_converted(tmp_path):
    for name in ("wide srgbtrc", "wide"):
        Image.fromarray(RGB).save(
            tmp_path / f"{name}.png", icc_profile=named(icc_profile(12, 13), name)
        )
    by_name, other = (read_image(tmp_path / f"{name}.png") for name in ("wide srgbtrc", "wide"))
    assert np.array_equal(by_name, other) and not np.array_equal(by_name, RGB)


@pytest.mark.parametrize("name", ["sRGB", "a monitor"])
def test_a_profile_that_is_srgb_leaves_the_values_whatever_its_name(tmp_path, name):
    Image.fromarray(RGB).save(tmp_path / "x.png", icc_profile=named(icc_profile(1, 13), name))
    assert np.array_equal(read_image(tmp_path / "x.png"), RGB)


def xyz_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()


@pytest.mark.parametrize(
    ("mode", "profile"),
    [
        ("RGB", b"no profile at all"),
        ("RGB", icc_profile(12, 13)[:200]),
        ("RGB", xyz_profile()),
        ("RGB", grey_profile()),
        ("L", xyz_profile()),
        ("CMYK", icc_profile(12, 13)),
    ],
    ids=["text", "cut", "xyz", "grey-on-rgb", "xyz-on-grey", "rgb-on-cmyk"],
)
def test_profiles_that_are_damaged_or_do_not_fit_are_left_out(tmp_path, mode, profile):
    """The photo is read as if it had none, and the warning names it."""
    image = Image.fromarray(RGB).convert(mode)
    suffix = "jpg" if mode == "CMYK" else "png"
    image.save(tmp_path / f"plain.{suffix}")
    image.save(tmp_path / f"mine.{suffix}", icc_profile=profile)
    with pytest.warns(UserWarning, match=rf"mine\.{suffix}' has a colour profile that"):
        found = read_image(tmp_path / f"mine.{suffix}")
    assert np.array_equal(found, read_image(tmp_path / f"plain.{suffix}"))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("mode", ["L", "LA", "1"])
def test_a_grey_profile_fits_grey_with_and_without_transparency(tmp_path, mode):
    grey = Image.fromarray(RGB[..., 0])
    image = grey.convert("1") if mode == "1" else grey
    if mode == "LA":
        image = Image.merge("LA", (grey, Image.new("L", grey.size, 255)))
    image.save(tmp_path / "x.png", icc_profile=grey_profile())
    expected = 255 * coded(np.asarray(image.convert("L")) / 255)
    assert np.abs(read_image(tmp_path / "x.png")[..., 0] - expected).max() <= 1.5
