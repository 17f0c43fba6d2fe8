"""Wrong images: data, users' photos, photographs for make-data."""

import io
import json
import re
import shutil
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
import torch
from PIL import Image, ImageCms

from benchmark.core import image_io
from benchmark.core.errors import UserError
from benchmark.data import make_bundle, make_pairs
from benchmark.restoring import photos
from benchmark.restoring.photo_names import find_photos, outputs
from benchmark.spec.method import Settings
from benchmark.spec.registry import load
from tests.campaigns import mutations
from tests.campaigns.targets.common import kept_if_refused, write, wrong_json

FORMATS = ("png", "jpg", "webp", "tif", "same")
STEMS = ("photo", "-v", "a b", "a\nb", "日本", "$(touch x)", "<b>'\"", "a" * 240, "a\udcffb", "..")


@cache
def pictures() -> list[tuple[str, bytes]]:
    """Small images of every kind that is read and of some that are refused: (suffix, bytes)."""
    pixels = np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8)
    colour = Image.fromarray(pixels)
    grey16 = Image.fromarray(pixels[:, :, 0].astype(np.uint16) * 257)
    made = []
    for image, suffix, options in (
        (colour, "png", {}), (colour, "jpg", {"exif": _turned()}), (colour, "webp", {}),
        (colour, "bmp", {}), (colour, "tif", {"compression": "tiff_lzw"}), (colour, "tif", {}),
        (colour.convert("P"), "png", {}), (colour.convert("L"), "jpg", {}), (grey16, "png", {}),
        (grey16, "tif", {}), (colour.convert("CMYK"), "jpg", {}),
        (colour.convert("RGBA"), "png", {}),
        (colour.convert("1"), "tif", {"compression": "group4"}), (colour.convert("P"), "gif", {}),
        (colour.convert("CMYK"), "tif", {}), (colour.convert("RGBA"), "webp", {"lossless": True}),
    ):  # fmt: skip
        buffer = io.BytesIO()
        image.save(buffer, {"jpg": "JPEG", "tif": "TIFF"}.get(suffix, suffix.upper()), **options)
        made.append((suffix, buffer.getvalue()))
    return made


@cache
def _phone_pictures() -> list[tuple[str, bytes]]:
    """As from phones and cameras: with EXIF data, with a colour profile, AVIF, HEIC."""
    image = Image.fromarray(np.full((24, 20, 3), 99, np.uint8))
    exif = _turned()
    exif[0x010F], exif[0x8769], exif[0x8825] = "Maker", {0x9003: "2026:01:01 00:00:00"}, {1: "N"}
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    made = []
    for suffix, kind in (("jpg", "JPEG"), ("png", "PNG"), ("webp", "WEBP"), ("tif", "TIFF"),
                         ("avif", "AVIF")):  # fmt: skip
        buffer = io.BytesIO()
        more = {} if suffix == "jpg" else {"icc_profile": profile}
        image.save(buffer, kind, exif=exif.tobytes(), **more)
        made.append((suffix, buffer.getvalue()))
    return [*made, ("heic", made[-1][1])]


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[image_io.EXIF_ORIENTATION] = 6
    return exif


def image_file(folder: Path, random: Random):
    suffix, data = random.choice(pictures())
    path = write(folder / f"image.{suffix}", mutations.of_bytes(data, random))
    yield path.name
    pixels = image_io.read_image(path)
    assert pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3


def own_photos(folder: Path, random: Random):
    """A folder of photos with odd names is restored. The photos stay unchanged."""
    shutil.rmtree(folder / "photos", ignore_errors=True)
    shutil.rmtree(folder / "out", ignore_errors=True)
    stems = random.sample(STEMS, 2)
    for stem in stems:
        suffix, data = random.choice(_phone_pictures() + pictures())
        data = mutations.of_bytes(data, random) if random.random() < 0.7 else data
        write(folder / "photos" / f"{stem}.{suffix}", data)
    yield *(repr(stem)[1:-1] for stem in stems), "photos"
    before = {path: path.read_bytes() for path in (folder / "photos").iterdir()}
    found = find_photos([folder / "photos"])
    kind, compare = random.choice(FORMATS), random.random() < 0.5
    results = outputs(found, folder / "out", kind, compare)
    restorer = photos.Restorer("x", load("identity")(), Settings(), torch.device("cpu"))
    outcomes = photos.restore_photos(restorer, results)
    assert before == {path: path.read_bytes() for path in (folder / "photos").iterdir()}
    problems = [outcome.problem for outcome in outcomes if outcome.problem]
    for problem in problems:
        # An unexpected error has its class before its message: a fault.
        assert not re.search(r": [A-Z]\w*(Error|Exception): ", problem), problem
    if problems:
        raise UserError(problems[0])


def photographs(folder: Path, random: Random):
    """Photographs with their table, from which make-data makes the bundled data."""
    source, out = folder / "photos", folder / "data"
    shutil.rmtree(source, ignore_errors=True)
    files = [f"{n}.{suffix}" for n, (suffix, _) in enumerate(pictures()[:4])]
    for file, (_, data) in zip(files, pictures(), strict=False):
        write(source / file, data)
    table = "file,licence,author,source\n" + "".join(f"{file},CC0,A,x\n" for file in files)
    write(source / "manifest.csv", table)
    spoiled = random.choice([*files, "manifest.csv", "manifest.csv"])
    if spoiled == "manifest.csv":
        write(source / spoiled, mutations.of_table(table, random))
    else:
        write(source / spoiled, mutations.of_bytes((source / spoiled).read_bytes(), random))
    yield spoiled, "manifest.csv"
    with kept_if_refused(out):
        make_bundle.make_data(source, out, overwrite=True, held_out={})


def pairs_manifest(folder: Path, random: Random):
    """The manifest of the bundled data, from which remake-pairs makes the pairs."""
    data = folder / "made"
    if not data.exists():
        source = folder / "source"
        write(source / "a.png", pictures()[0][1])
        write(source / "manifest.csv", "file,licence,author,source\na.png,CC0,A,x\n")
        make_bundle.make_data(source, data, held_out={"val": ["a"]})
        shutil.copy(data / "manifest.json", folder / "good.json")
    manifest = json.loads((folder / "good.json").read_text(encoding="utf-8"))
    # Two pairs are enough and fast.
    manifest["pairs"] = manifest["pairs"][:2]
    write(data / "manifest.json", wrong_json(manifest, random))
    outside = {path for path in folder.iterdir()} | {folder / "again"}
    yield "manifest.json", "photos"
    make_pairs.remake_pairs(data, folder / "again")
    assert {path for path in folder.iterdir()} == outside, "written elsewhere"


TARGETS = {
    "image": image_file,
    "photos of one's own": own_photos,
    "photographs for make-data": photographs,
    "manifest for remake-pairs": pairs_manifest,
}
