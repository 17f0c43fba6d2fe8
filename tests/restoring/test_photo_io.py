"""Users' own photos keep their orientation, EXIF, transparency and colour."""

import io
import sys

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, features

from benchmark.core.errors import UserError
from benchmark.core.image_io import read_image
from benchmark.restoring.comparison import write_comparison
from benchmark.restoring.photo_formats import JPEG, PACKAGES, WRITTEN, header, is_photo
from benchmark.restoring.photo_io import read_photo, srgb_profile, write_photo

RNG = np.random.default_rng(3)
RGB = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)
TAG = ExifTags.Base
EXIF, GPS = ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo
LOSSLESS = (".png", ".tif", ".bmp")


def exif(orientation: int = 1) -> bytes:
    tags = Image.Exif()
    tags[TAG.Orientation], tags[TAG.Make], tags[TAG.Artist] = orientation, "Camera", "Somebody"
    tags[EXIF] = {TAG.ExifImageWidth: 30, TAG.ExifImageHeight: 20, TAG.ISOSpeedRatings: 200}
    tags[GPS] = {1: "N", 2: (48.0, 12.0, 7.5)}
    return tags.tobytes()


def with_thumbnail(jpeg: bytes) -> bytes:
    """The bytes of a JPEG with a second EXIF folder, for a thumbnail, as cameras write it."""
    turned = b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"  # orientation 6
    folder = b"\x00\x01" + turned + (26).to_bytes(4, "big")  # and where the second one is
    thumbnail = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(thumbnail, "JPEG")
    data = thumbnail.getvalue()
    second = (
        b"\x00\x02"
        + b"\x02\x01\x00\x04\x00\x00\x00\x01" + (56).to_bytes(4, "big")
        + b"\x02\x02\x00\x04\x00\x00\x00\x01" + len(data).to_bytes(4, "big")
        + bytes(4)
    )  # fmt: skip
    body = b"MM\x00\x2a\x00\x00\x00\x08" + folder
    body = body.ljust(26, b"\0") + second
    body = b"Exif\0\0" + body.ljust(56, b"\0") + data
    return jpeg[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + jpeg[2:]


@pytest.mark.parametrize("suffix", [s for s, kind in WRITTEN.items() if kind.name not in PACKAGES])
@pytest.mark.parametrize("source", [".jpg", ".png", ".webp", ".tif"])
def test_orientation_is_applied_and_exif_kept(tmp_path, source, suffix):
    Image.fromarray(RGB).save(tmp_path / f"in{source}", exif=exif(6))
    photo = read_photo(tmp_path / f"in{source}")
    write_photo(tmp_path / f"out{suffix}", photo.pixels, photo)
    with Image.open(tmp_path / f"out{suffix}") as image:
        image.load()
        assert image.size == (20, 30)
        tags = image.getexif()
        assert TAG.Orientation not in tags
        if suffix == ".bmp":  # it has no place for EXIF
            return
        assert (tags[TAG.Make], tags[TAG.Artist]) == ("Camera", "Somebody")
        taken = tags.get_ifd(EXIF)
        assert taken[TAG.ISOSpeedRatings] == 200
        assert (taken[TAG.ExifImageWidth], taken[TAG.ExifImageHeight]) == (20, 30)
        assert tags.get_ifd(GPS)[2] == (48.0, 12.0, 7.5)
    if suffix in LOSSLESS:
        assert np.array_equal(read_image(tmp_path / f"out{suffix}"), photo.pixels)


def test_the_thumbnail_with_the_weather_is_removed(tmp_path):
    jpeg = io.BytesIO()
    Image.fromarray(RGB).save(jpeg, "JPEG")
    (tmp_path / "in.jpg").write_bytes(with_thumbnail(jpeg.getvalue()))
    with Image.open(tmp_path / "in.jpg") as image:
        assert image.getexif().get_ifd(ExifTags.IFD.IFD1), "the test file has no thumbnail"
    photo = read_photo(tmp_path / "in.jpg")
    assert photo.pixels.shape == (30, 20, 3)
    write_photo(tmp_path / "out.jpg", photo.pixels, photo)
    with Image.open(tmp_path / "out.jpg") as image:
        assert not image.getexif().get_ifd(ExifTags.IFD.IFD1)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_exif_is_left_out(tmp_path):
    broken = exif()[:40] + b"\xff" * 30
    Image.fromarray(RGB).save(tmp_path / "in.png", exif=broken)
    photo = read_photo(tmp_path / "in.png")
    write_photo(tmp_path / "out.png", photo.pixels, photo)
    assert np.array_equal(read_image(tmp_path / "out.png"), RGB)


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_transparency_is_kept(tmp_path, suffix, orientation):
    """Over white, an unchanged photo differs by at most one level; its alpha is the same."""
    alpha = RNG.integers(0, 256, (20, 30), dtype=np.uint8)
    alpha[:4], alpha[4:8] = 0, 255
    Image.fromarray(np.dstack([RGB, alpha])).save(tmp_path / "in.png", exif=exif(orientation))
    photo = read_photo(tmp_path / "in.png")
    write_photo(tmp_path / f"out{suffix}", photo.pixels, photo)
    again = read_photo(tmp_path / f"out{suffix}")
    assert np.array_equal(again.alpha, alpha if orientation == 1 else np.rot90(alpha, -1))
    assert np.abs(again.pixels.astype(int) - photo.pixels).max() <= 1
    opaque = photo.alpha == 255
    assert np.array_equal(again.pixels[opaque], photo.pixels[opaque])


def test_transparency_by_a_colour_becomes_alpha(tmp_path):
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putdata([0, 1])
    palette.save(tmp_path / "in.png", transparency=1)
    assert read_photo(tmp_path / "in.png").alpha.tolist() == [[255, 0]]
    Image.new("RGB", (2, 1), (1, 2, 3)).save(tmp_path / "in.png", transparency=(1, 2, 3))
    assert read_photo(tmp_path / "in.png").alpha.tolist() == [[0, 0]]


def test_opaque_alpha_is_none(tmp_path):
    Image.fromarray(RGB).convert("RGBA").save(tmp_path / "in.png")
    assert read_photo(tmp_path / "in.png").alpha is None


def test_jpeg_has_no_alpha_and_shows_it_over_white(tmp_path):
    Image.new("RGBA", (16, 16), (0, 0, 0, 0)).save(tmp_path / "in.png")
    photo = read_photo(tmp_path / "in.png")
    write_photo(tmp_path / "out.jpg", photo.pixels, photo)
    assert (read_image(tmp_path / "out.jpg") == 255).all()


@pytest.mark.parametrize("mode", ["L", "1", "LA", "I;16"])
def test_grey_stays_grey(tmp_path, mode):
    if mode == "I;16":
        image = Image.fromarray(RGB[..., 0].astype(np.uint16) * 257)
    else:
        image = Image.fromarray(RGB[..., 0]).convert(mode)
    image.save(tmp_path / "in.png")
    photo = read_photo(tmp_path / "in.png")
    write_photo(tmp_path / "out.png", photo.pixels, photo)
    with Image.open(tmp_path / "out.png") as written:
        assert written.mode == "L"
    assert np.array_equal(read_image(tmp_path / "out.png"), photo.pixels)


def test_cmyk_becomes_srgb(tmp_path):
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "in.jpg", quality=100)
    photo = read_photo(tmp_path / "in.jpg")
    write_photo(tmp_path / "out.jpg", photo.pixels, photo)
    with Image.open(tmp_path / "out.jpg") as image:
        assert image.mode == "RGB"
        profile = image.info["icc_profile"]
    description = ImageCms.getProfileDescription(io.BytesIO(profile))
    assert "sRGB" in description
    assert np.abs(read_image(tmp_path / "out.jpg").astype(int) - (255, 0, 0)).max() <= 2


def test_the_profile_is_that_of_srgb_and_always_the_same():
    """littleCMS maps sRGB to it without a change, and its date is fixed."""
    ours = ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile()))
    mapped = ImageCms.profileToProfile(
        Image.fromarray(RGB), ImageCms.createProfile("sRGB"), ours, outputMode="RGB"
    )
    assert np.abs(np.asarray(mapped).astype(int) - RGB).max() <= 1
    assert srgb_profile()[24:36] == bytes.fromhex("07d000010001000000000000")


@pytest.mark.parametrize("suffix", [".heic", ".HEIF"])
def test_heic_without_its_package_says_what_to_do(tmp_path, suffix, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    file = tmp_path / f"in{suffix}"
    file.write_bytes(b"\0\0\0\x18ftypheic")
    assert is_photo(file)
    with pytest.raises(UserError, match=r"in\.(heic|HEIF).*'pip install pillow-heif', or export"):
        read_photo(file)


@pytest.mark.parametrize("suffix", [".avif", ".heic"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_photos_of_phones_are_read_as_a_viewer_shows_them(tmp_path, suffix, orientation):
    if suffix == ".heic":
        pytest.importorskip(
            "pillow_heif", reason="pillow-heif is not installed"
        ).register_heif_opener()
    elif not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    ramp = np.linspace(0, 255, 96, dtype=np.uint8)
    pixels = np.stack([np.tile(ramp, (64, 1))] * 3, axis=2)
    file = tmp_path / f"in{suffix}"
    Image.fromarray(pixels).save(file, quality=95, exif=exif(orientation))
    photo = read_photo(file)
    expected = pixels if orientation == 1 else np.rot90(pixels, -1)
    assert np.abs(photo.pixels.astype(int) - expected).mean() < 3
    assert header(file).megapixels == 96 * 64 / 1e6
    write_photo(tmp_path / "out.jpg", photo.pixels, photo)
    with Image.open(tmp_path / "out.jpg") as image:
        assert image.getexif()[TAG.Make] == "Camera"
        assert TAG.Orientation not in image.getexif()


def test_warnings_of_reading_are_kept_with_the_photos_name(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "mine.png", icc_profile=b"no profile")
    (warning,) = read_photo(tmp_path / "mine.png").warnings
    assert "mine.png' has a colour profile that is damaged" in warning


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
def test_an_avif_with_any_byte_wrong_is_read_or_named(tmp_path):
    file, good, refused = tmp_path / "mine.avif", io.BytesIO(), 0
    Image.new("RGB", (24, 20)).save(good, "AVIF")
    for at in range(len(good.getvalue())):
        data = bytearray(good.getvalue())
        data[at] ^= 1
        file.write_bytes(data)
        header(file)
        try:
            read_photo(file)
        except UserError as error:
            refused += "mine.avif" in str(error)
    assert refused > 50


@pytest.mark.parametrize("suffix", [".avif", ".heic"])
def test_damaged_files_of_phones_are_named(tmp_path, suffix):
    if suffix == ".heic":
        pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
    file = tmp_path / f"in{suffix}"
    file.write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    assert header(file) is None
    with pytest.raises(UserError, match=r"in\.(avif|heic)' is (not an image|damaged)"):
        read_photo(file)


def test_the_header_gives_format_and_size(tmp_path):
    Image.new("1", (2000, 500)).save(tmp_path / "in.jpg", "PNG")
    found = header(tmp_path / "in.jpg")
    assert (found.format, found.width, found.height, found.megapixels) == ("PNG", 2000, 500, 1.0)
    (tmp_path / "text.png").write_text("a text")
    for name in ("text.png", "nowhere.png", "raw.dng"):
        assert header(tmp_path / name) is None


@pytest.mark.parametrize("quality", [30, 75, 96])
@pytest.mark.parametrize("subsampling", [0, 2])
@pytest.mark.parametrize("grey", [False, True])
def test_a_jpeg_of_a_jpeg_has_its_quality(tmp_path, quality, subsampling, grey):
    pixels = RGB[..., 0] if grey else RGB
    Image.fromarray(pixels).save(tmp_path / "in.jpg", quality=quality, subsampling=subsampling)
    photo = read_photo(tmp_path / "in.jpg")
    write_photo(tmp_path / "out.jpg", photo.pixels, photo)
    with Image.open(tmp_path / "in.jpg") as before, Image.open(tmp_path / "out.jpg") as after:
        assert after.quantization == before.quantization
        assert grey or after.layer == before.layer
    png = tmp_path / "in.png"
    Image.fromarray(pixels).save(png)
    write_photo(tmp_path / "new.jpg", photo.pixels, read_photo(png))
    with Image.open(tmp_path / "new.jpg") as image:  # of a photo that is no JPEG: the finest
        assert image.quantization[0][0] <= 2


@pytest.mark.parametrize("lossless", [False, True])
def test_a_webp_of_a_lossless_webp_is_lossless(tmp_path, lossless):
    Image.fromarray(RGB).save(tmp_path / "in.webp", lossless=lossless)
    photo = read_photo(tmp_path / "in.webp")
    write_photo(tmp_path / "out.webp", photo.pixels, photo)
    assert np.array_equal(read_image(tmp_path / "out.webp"), photo.pixels) == lossless


@pytest.mark.parametrize("size", [(1, 1), (120, 80)])
def test_a_comparison_has_both_images_and_a_heading(tmp_path, size):
    before, after = (np.full((*size[::-1], 3), level, np.uint8) for level in (40, 200))
    write_comparison(tmp_path / "c.jpg", before, after, "unet")
    sheet = read_image(tmp_path / "c.jpg").astype(int)
    height, width = sheet.shape[:2]
    assert height > size[1] and width > 2 * size[0]
    body = sheet[height - size[1] :]
    assert np.abs(body[:, : size[0]] - 40).mean() < 12
    assert np.abs(body[:, width - size[0] :] - 200).mean() < 12
    if size[0] > 1:
        assert (sheet[: height - size[1]] < 100).any(), "nothing is written above"


@pytest.mark.parametrize("size", [(33_000, 4), (4, 66_000)])
def test_a_comparison_of_a_panorama_is_scaled_to_what_jpeg_holds(tmp_path, size):
    before = np.full((*size[::-1], 3), 40, np.uint8)
    write_comparison(tmp_path / "c.jpg", before, before, "unet")
    with Image.open(tmp_path / "c.jpg") as sheet:
        assert max(sheet.size) <= JPEG.longest
        assert max(sheet.size) >= max(size) / 2
