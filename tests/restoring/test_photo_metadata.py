"""XMP and IPTC of a photo stay in its restoration, or their loss is said."""

import numpy as np
import pytest
from PIL import Image

from benchmark.restoring.photo_io import read_photo, write_photo

RGB = np.random.default_rng(5).integers(0, 256, (10, 14, 3), dtype=np.uint8)
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-'
    b'syntax-ns#"><rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:tiff="http://ns.'
    b'adobe.com/tiff/1.0/" xmp:Rating="4"%s/></rdf:RDF></x:xmpmeta>'
)
IPTC = b"\x1c\x02\x78\x00\x05hello"  # caption: hello


def photoshop_segment(iptc):
    body = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + len(iptc).to_bytes(4, "big") + iptc
    return b"\xff\xed" + (len(body) + len(iptc) % 2 + 2).to_bytes(2, "big") + body.ljust(
        len(body) + len(iptc) % 2, b"\0"
    )  # fmt: skip


@pytest.fixture
def jpeg(tmp_path):
    """A JPEG with XMP, which says that it is turned, and IPTC, as photographers' tools write it."""
    file = tmp_path / "in.jpg"
    xmp = XMP % b' tiff:Orientation="6"'
    Image.fromarray(RGB).save(file, xmp=xmp, extra=photoshop_segment(IPTC))
    return file


def rewritten(source, suffix):
    photo = read_photo(source)
    file = source.with_name(f"out{suffix}")
    lost = write_photo(file, photo.pixels, photo)
    with Image.open(file) as image:
        image.load()
        found = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
        xmp = found.encode() if isinstance(found, str) else found
        tag = image.tag_v2.get(33723, b"") if suffix == ".tif" else b""
        return xmp, bytes(image.info.get("photoshop", {}).get(0x0404, tag)), lost


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_xmp_is_kept_without_the_old_orientation(jpeg, suffix):
    xmp, _, _ = rewritten(jpeg, suffix)
    assert b'xmp:Rating="4"' in xmp and b'tiff:Orientation="1"' in xmp
    assert read_photo(jpeg).pixels.shape == read_photo(jpeg.with_name(f"out{suffix}")).pixels.shape


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_iptc_is_kept(jpeg, suffix):
    _, iptc, lost = rewritten(jpeg, suffix)
    assert iptc == IPTC and lost == []


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_the_loss_of_iptc_is_said(jpeg, suffix):
    assert rewritten(jpeg, suffix)[2] == ["IPTC"]


def test_bmp_loses_all(jpeg):
    photo = read_photo(jpeg)
    assert write_photo(jpeg.with_name("out.bmp"), photo.pixels, photo) == ["XMP", "IPTC"]


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_metadata_of_other_formats_is_kept(jpeg, suffix):
    """What was written is read again: from PNG, TIFF and WebP to JPEG."""
    rewritten(jpeg, suffix)
    xmp, iptc, _ = rewritten(jpeg.with_name(f"out{suffix}"), ".jpg")
    assert b'xmp:Rating="4"' in xmp
    assert iptc == (IPTC if suffix == ".tif" else b"")


@pytest.mark.parametrize("more", [b' hdrgm:Version="1.0"', b' GCamera:MotionPhoto="1"'])
def test_xmp_that_describes_further_pictures_is_dropped_and_said(tmp_path, more):
    Image.fromarray(RGB).save(tmp_path / "in.jpg", xmp=XMP % more)
    xmp, _, lost = rewritten(tmp_path / "in.jpg", ".jpg")
    assert xmp == b"" and lost == ["XMP (it describes further pictures in the file)"]


def test_thumbnails_in_xmp_are_removed(tmp_path):
    thumbnail = b"><xmp:Thumbnails><rdf:Alt>old</rdf:Alt></xmp:Thumbnails></rdf:Description"
    xmp = (XMP % b"").replace(b"/></rdf:RDF>", thumbnail + b"></rdf:RDF>")
    Image.fromarray(RGB).save(tmp_path / "in.jpg", xmp=xmp)
    found, _, _ = rewritten(tmp_path / "in.jpg", ".jpg")
    assert b"old" not in found and b'xmp:Rating="4"' in found


def test_what_is_too_long_for_jpeg_is_said(tmp_path):
    long = XMP % (b' xmp:Label="' + b"x" * 70_000 + b'"')
    Image.fromarray(RGB).save(tmp_path / "in.webp", xmp=long)
    assert rewritten(tmp_path / "in.webp", ".jpg")[2] == ["XMP (too long for JPEG)"]
    assert rewritten(tmp_path / "in.webp", ".png")[2] == []
