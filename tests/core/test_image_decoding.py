"""Kinds of TIFF are read right or refused by name; a camera's RAW file is never its thumbnail."""

import cv2
import numpy as np
import pytest
import tifffile

from benchmark.core import image_decoding
from benchmark.core.errors import UserError
from benchmark.core.image_io import read_image
from benchmark.core.image_kinds import RAW_SUFFIXES, why_unread

RNG = np.random.default_rng(13)
WIDE = RNG.integers(0, 65536, (12, 17, 3), dtype=np.uint16)
RGB = np.rint(WIDE / 257).astype(np.uint8)
ALPHA = RNG.integers(1, 256, (12, 17), dtype=np.uint8)


def grey(pixels):
    return np.repeat(pixels[..., None], 3, 2)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("bits", [8, 16])
def test_white_is_zero(tmp_path, bits, compression):
    """Photometric interpretation 0 of TIFF 6.0: the largest value is black."""
    pixels = RGB[..., 0] if bits == 8 else WIDE[..., 0]
    for photometric in ("minisblack", "miniswhite"):
        stored = (
            pixels if photometric == "minisblack" else pixels.max() * 0 + (2**bits - 1) - pixels
        )
        file = tmp_path / f"{photometric}.tif"
        options = {"photometric": photometric, "compression": compression}
        tifffile.imwrite(file, stored.astype(pixels.dtype), **options)
        assert np.array_equal(read_image(file), grey(RGB[..., 0]))


@pytest.mark.parametrize("wide", [False, True], ids=["8 bit", "16 bit"])
@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha", "unspecified"])
def test_a_fourth_channel_is_what_the_file_says(tmp_path, kind, wide):
    share = ALPHA[..., None] / 255
    colours = np.rint(RGB * share).astype(np.uint8) if kind == "assocalpha" else RGB
    pixels = np.dstack([colours, ALPHA])
    pixels = pixels.astype(np.uint16) * 257 if wide else pixels
    tifffile.imwrite(tmp_path / "x.tif", pixels, photometric="rgb", extrasamples=[kind])
    expected = RGB if kind == "unspecified" else RGB * share + 255 * (1 - share)
    assert np.abs(read_image(tmp_path / "x.tif") - expected).max() <= 1.5


@pytest.mark.parametrize(
    ("pixels", "options"),
    [
        (np.dstack([WIDE, WIDE[..., 0]]), {"photometric": "separated"}),
        (np.moveaxis(WIDE, 2, 0), {"photometric": "rgb", "planarconfig": "separate"}),
        (WIDE, {"photometric": "cielab"}),
        (RGB, {"photometric": "cielab"}),
        (WIDE.astype(np.float32), {"photometric": "rgb"}),
        (WIDE[..., 0].astype(np.int16), {"photometric": "minisblack"}),
        (WIDE[..., 0].astype(np.uint32), {"photometric": "minisblack"}),
        (WIDE[..., 0], {"photometric": "cfa"}),
    ],
    ids=["cmyk16", "planes16", "lab16", "lab8", "float", "signed", "32 bit", "mosaic"],
)
def test_other_kinds_of_tiff_are_refused_by_name(tmp_path, pixels, options):
    tifffile.imwrite(tmp_path / "odd.tif", pixels, **options)
    with pytest.raises(UserError, match=r"odd\.tif.* kind that is not supported.*Save it as 8-bit"):
        read_image(tmp_path / "odd.tif")


def write_raw(path, thumbnail, full, *, subfile=0, tags=()):
    """A TIFF whose first picture is a thumbnail and whose SubIFD holds the other, as in DNG."""
    with tifffile.TiffWriter(path) as file:
        options = {"photometric": "rgb", "subfiletype": subfile, "extratags": tags}
        file.write(np.full((*thumbnail, 3), 99, np.uint8), subifds=1, **options)
        file.write(np.zeros(full, np.uint16), photometric="minisblack")


@pytest.mark.parametrize("suffix", RAW_SUFFIXES)
def test_raw_files_are_refused_by_their_suffix(tmp_path, suffix):
    for name in (f"photo{suffix}", f"PHOTO{suffix.upper()}"):
        write_raw(tmp_path / name, (8, 12), (80, 120))
        with pytest.raises(UserError, match=rf"{name}' is a camera's RAW file.*export"):
            read_image(tmp_path / name)
        assert why_unread(tmp_path / name).startswith("a camera's RAW file is not read")


@pytest.mark.parametrize(
    ("subfile", "tags"),
    [(0, ()), (1, ()), (0, ((50706, "B", 4, (1, 4, 0, 0), True),))],
    ids=["SubIFD", "reduced", "DNGVersion"],
)
def test_raw_files_with_another_suffix_are_refused_by_their_content(tmp_path, subfile, tags):
    full = (4, 6) if tags else (80, 120)
    write_raw(tmp_path / "photo.tif", (8, 12), full, subfile=subfile, tags=tags)
    with pytest.raises(UserError, match=r"photo\.tif' is a camera's RAW file"):
        read_image(tmp_path / "photo.tif")


def test_a_tiff_with_smaller_copies_of_itself_is_read(tmp_path):
    """A pyramid, and Photoshop's thumbnail."""
    write_raw(tmp_path / "photo.tif", (16, 12), (8, 6))
    assert (read_image(tmp_path / "photo.tif") == 99).all()


def test_too_little_memory_is_not_a_damaged_file(tmp_path, monkeypatch):
    def full(*_):
        raise cv2.error("alloc.cpp: error: (-4:Insufficient memory) Failed to allocate 9 bytes")

    tifffile.imwrite(tmp_path / "wide.tif", WIDE)
    monkeypatch.setattr(image_decoding, "_decode_16_bit", full)
    with pytest.raises(MemoryError, match="Insufficient memory"):
        read_image(tmp_path / "wide.tif")
