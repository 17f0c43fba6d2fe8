"""Every kind of image file is read as the right 8-bit RGB, or the error names the file."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from benchmark.core.errors import UserError
from benchmark.core.image_io import (
    image_files,
    read_image,
    to_float,
    to_uint8,
    write_jpeg,
    write_png,
)

RNG = np.random.default_rng(5)
RGB = RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8)
RGB16 = RNG.integers(0, 65536, (6, 9, 3), dtype=np.uint16)
GREY = RGB[..., 0]
ODD_NAMES = ("with space", "-dash", "quo'te\"s", "new\nline", "雪é", "a.b", "NA", "%s{x}")


def as_8_bit(wide: np.ndarray) -> np.ndarray:
    return np.floor(wide.astype(np.float64) * 255 / 65535 + 0.5).astype(np.uint8)


def grey_alpha_16_png(pixels: np.ndarray) -> bytes:
    """A 16-bit grey PNG with alpha, which none of the libraries writes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 16, 4, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    return b"".join([b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header),
                     chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")])  # fmt: skip


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
def test_rgb_and_grey_keep_their_values(tmp_path, suffix):
    for pixels, expected in ((RGB, RGB), (GREY, np.repeat(GREY[..., None], 3, 2))):
        path = tmp_path / f"x.{suffix}"
        Image.fromarray(pixels).save(path)
        assert np.array_equal(read_image(path), expected)


def test_lossless_webp_keeps_its_values(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "x.webp", lossless=True)
    assert np.array_equal(read_image(tmp_path / "x.webp"), RGB)


def test_one_bit_becomes_black_and_white(tmp_path):
    Image.fromarray(GREY > 99).save(tmp_path / "x.png")
    assert np.array_equal(read_image(tmp_path / "x.png")[..., 1], np.uint8(255) * (GREY > 99))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_is_scaled_not_truncated(tmp_path, suffix):
    path = tmp_path / f"x.{suffix}"
    cv2.imwrite(str(path), RGB16[..., ::-1])
    assert np.array_equal(read_image(path), as_8_bit(RGB16))
    assert not np.array_equal(read_image(path), RGB16 >> 8)
    cv2.imwrite(str(path), RGB16[..., 0])
    assert np.array_equal(read_image(path)[..., 2], as_8_bit(RGB16[..., 0]))


def test_transparency_is_composited_over_white(tmp_path):
    alpha = RNG.integers(0, 256, (6, 9, 1), dtype=np.uint8)
    over_white = 255 + (RGB.astype(float) - 255) * (alpha / 255)
    Image.fromarray(np.concatenate([RGB, alpha], 2)).save(tmp_path / "rgba.png")
    assert np.abs(read_image(tmp_path / "rgba.png") - over_white).max() <= 1
    Image.fromarray(np.concatenate([RGB[..., :1], alpha], 2)).save(tmp_path / "la.png")
    assert np.abs(read_image(tmp_path / "la.png") - over_white[..., :1]).max() <= 1
    wide = np.concatenate([RGB[..., :1], alpha], 2).astype(np.uint16) * 257
    (tmp_path / "la16.png").write_bytes(grey_alpha_16_png(wide))
    assert np.array_equal(read_image(tmp_path / "la16.png"), read_image(tmp_path / "la.png"))
    cv2.imwrite(str(tmp_path / "rgba16.png"),
                np.concatenate([RGB[..., ::-1], alpha], 2).astype(np.uint16) * 257)  # fmt: skip
    assert np.array_equal(read_image(tmp_path / "rgba16.png"), read_image(tmp_path / "rgba.png"))


def test_a_palette_with_a_transparent_colour_is_read(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putdata([0, 1])
    image.save(tmp_path / "p.png")
    assert read_image(tmp_path / "p.png").tolist() == [[[10, 20, 30], [40, 50, 60]]]
    image.save(tmp_path / "t.png", transparency=1)
    assert read_image(tmp_path / "t.png").tolist() == [[[10, 20, 30], [255, 255, 255]]]


def test_cmyk_becomes_rgb(tmp_path):
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "x.jpg", quality=100)
    assert np.abs(read_image(tmp_path / "x.jpg").astype(int) - (255, 0, 0)).max() <= 2


# How a viewer turns the stored image, by the EXIF standard.
@pytest.mark.parametrize("orientation, seen", [
    (1, lambda x: x), (2, np.fliplr), (3, lambda x: np.rot90(x, 2)), (4, np.flipud),
    (5, lambda x: x.swapaxes(0, 1)), (6, lambda x: np.rot90(x, -1)),
    (7, lambda x: np.rot90(x, 2).swapaxes(0, 1)), (8, np.rot90),
])  # fmt: skip
@pytest.mark.parametrize("kind", ["png", "tif", "16.png", "16.tif", "grey.tif", "webp"])
def test_exif_orientation(tmp_path, orientation, seen, kind):
    path = tmp_path / f"x.{kind}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = RGB
    if kind.startswith("16"):
        pixels = np.repeat(RGB[..., :1], 3, 2)
        image = Image.fromarray(RGB[..., 0].astype(np.uint16) * 257)
    elif kind.startswith("grey"):
        pixels, image = np.repeat(RGB[..., :1], 3, 2), Image.fromarray(GREY)
    else:
        image = Image.fromarray(RGB)
    image.save(path, exif=exif, **({"lossless": True} if kind == "webp" else {}))
    assert np.array_equal(read_image(path), seen(pixels))


def test_srgb_profile_changes_nothing(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(RGB).save(tmp_path / "x.png", icc_profile=profile)
    assert np.array_equal(read_image(tmp_path / "x.png"), RGB)


def linear_srgb_profile() -> bytes:
    """sRGB's built-in profile renamed, with a linear tone curve instead of sRGB's."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack(">I", profile[128:132])[0]
    for i in range(count):
        tag, offset, size = struct.unpack(">4sII", profile[132 + 12 * i : 144 + 12 * i])
        if tag in (b"rTRC", b"gTRC", b"bTRC"):
            profile[offset : offset + 12] = b"curv" + bytes(8)  # no entries: the identity
            profile[offset + 12 : offset + size] = bytes(size - 12)
        if tag == b"desc":
            text = profile[offset : offset + size].replace("sRGB".encode("utf-16-be"),
                                                           "line".encode("utf-16-be"))  # fmt: skip
            profile[offset : offset + size] = text
    return bytes(profile)


def test_other_profiles_are_converted(tmp_path):
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, 2)
    light = ramp / 255
    expected = 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    for pixels in (ramp, ramp[..., 0]):
        Image.fromarray(pixels).save(tmp_path / "x.png", icc_profile=linear_srgb_profile())
        assert np.abs(read_image(tmp_path / "x.png") - expected).max() <= 1


def bad_files(folder) -> dict[str, str]:
    """Damaged files: the name of each, and a part of its error message."""
    png, jpeg = io.BytesIO(), io.BytesIO()
    noise = Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    noise.save(png, "PNG")
    noise.save(jpeg, "JPEG")
    (folder / "short.png").write_bytes(png.getvalue()[:3000])
    (folder / "short.jpg").write_bytes(jpeg.getvalue()[:-100])
    (folder / "text.png").write_text("a text")
    (folder / "empty.png").write_bytes(b"")
    (folder / "folder.png").mkdir()
    wide = io.BytesIO()
    Image.fromarray(RNG.integers(0, 65536, (64, 64), dtype=np.uint16)).save(wide, "PNG")
    (folder / "short16.png").write_bytes(wide.getvalue()[:4000])
    Image.new("1", (20000, 20000)).save(folder / "bomb.png")
    frames = [Image.new("RGB", (4, 4), (i, 0, 0)) for i in (0, 99)]
    frames[0].save(folder / "moving.png", save_all=True, append_images=frames[1:])
    frames[0].save(folder / "pages.tif", save_all=True, append_images=frames[1:])
    Image.fromarray(np.ones((4, 4), np.float32)).save(folder / "float.tif")
    return {
        "short.png": "truncated", "short.jpg": "truncated", "short16.png": "truncated",
        "text.png": "not an image", "empty.png": "not an image", "folder.png": "cannot be read",
        "bomb.png": "too many pixels", "moving.png": "2 frames", "pages.tif": "2 frames",
        "float.tif": "mode F", "nowhere.png": "no file",
    }  # fmt: skip


def test_damaged_files_are_named(tmp_path):
    for name, message in bad_files(tmp_path).items():
        with pytest.raises(UserError, match=message) as caught:
            read_image(tmp_path / name)
        assert name in str(caught.value)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "bmp", "16.png", "16.tif"])
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
def test_damaged_files_never_raise_anything_else(tmp_path, suffix):
    path = tmp_path / f"x.{suffix}"
    image = Image.fromarray(RGB16[..., 0] if suffix.startswith("16") else RGB)
    image.save(path)
    whole = path.read_bytes()
    for _ in range(60):
        broken = bytearray(whole)
        for at in RNG.integers(0, len(whole), 3):
            broken[at] = RNG.integers(256)
        path.write_bytes(bytes(broken))
        try:
            pixels = read_image(path)
        except UserError as error:
            assert path.name in str(error)
        else:
            assert pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3


def test_a_written_png_is_read_with_the_same_values_and_has_the_same_bytes(tmp_path):
    for name in ODD_NAMES:
        write_png(tmp_path / "new" / f"{name}.png", RGB)
        assert np.array_equal(read_image(tmp_path / "new" / f"{name}.png"), RGB)
    assert len({p.read_bytes() for p in (tmp_path / "new").iterdir()}) == 1
    assert list(image_files(tmp_path / "new")) == sorted(ODD_NAMES)
    write_png(tmp_path / "dot.png", RGB[:1, :1])
    assert read_image(tmp_path / "dot.png").shape == (1, 1, 3)
    for wrong in (RGB.astype(float), GREY, RGB[:0]):
        with pytest.raises(ValueError, match="uint8"):
            write_png(tmp_path / "x.png", wrong)


def test_every_level_is_the_same_after_conversion_to_float_and_back():
    levels = np.arange(256, dtype=np.uint8)
    assert to_float(levels).dtype == np.float32
    assert np.array_equal(to_uint8(to_float(levels)), levels)


@given(st.floats(-2, 3, width=32))
def test_to_uint8_is_the_nearest_level_and_clipped(value):
    level = int(to_uint8(np.array([value], np.float32))[0])
    assert abs(level - 255 * min(max(value, 0), 1)) <= 0.5 + 1e-4


def test_truncation_takes_the_level_below_and_keeps_levels():
    levels = np.arange(256, dtype=np.uint8)
    assert np.array_equal(to_uint8(to_float(levels), "truncate"), levels)
    assert to_uint8(np.array([0.99, 1.01, 254.99, 300, -3]) / 255, "truncate").tolist() == [
        0, 1, 254, 255, 0
    ]  # fmt: skip


def test_a_jpeg_is_close_to_its_pixels_and_the_same_each_time(tmp_path):
    pixels = np.repeat(np.linspace(0, 255, 64, dtype=np.uint8)[None, :, None], 48, 0).repeat(3, 2)
    files = [tmp_path / "a.jpg", tmp_path / "b.jpg"]
    for file in files:
        write_jpeg(file, pixels, 95)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert np.abs(read_image(files[0]).astype(int) - pixels).max() <= 3
    with pytest.raises(ValueError, match="uint8"):
        write_jpeg(files[0], pixels / 255, 95)


def test_to_uint8_rounds_half_to_even_and_refuses_nan():
    assert to_uint8(np.array([0.5, 1.5, 2.5]) / 255).tolist() == [0, 2, 2]
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match="not finite"):
            to_uint8(np.array([0.5, bad]))


def test_image_files_are_sorted_and_others_left_out(tmp_path):
    for name in ("b.png", "a.JPG", ".hidden.png", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "c.png").symlink_to("gone.png")
    (tmp_path / "sub.png").mkdir()
    assert [p.name for p in image_files(tmp_path).values()] == ["a.JPG", "b.png", "c.png"]
    (tmp_path / "a.png").touch()
    with pytest.raises(UserError, match=r"a\.JPG.*a\.png"):
        image_files(tmp_path)
    with pytest.raises(UserError, match="no folder"):
        image_files(tmp_path / "nowhere")
