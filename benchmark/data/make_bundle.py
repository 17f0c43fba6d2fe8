"""Builds the data set that ships with the benchmark from a folder of clean photographs.

Each photo is in one split: train, val or test. Val and test photos become 256 x 256 targets with
one degraded picture for every weather. Training pairs are made from the train photos during
training (`benchmark.weather.training_pair`). Every pair has its own random generator, seeded by its
name, so that adding a photo or a weather does not change the other pairs.

    python -m benchmark make-data --photos PHOTOS --weights WEIGHTS --out data
"""

import csv
import io
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from benchmark.core.atomic import atomic_path, write_text
from benchmark.core.checksum import checksum
from benchmark.core.errors import UserError
from benchmark.core.image_decoding import decode
from benchmark.core.image_io import upright_srgb
from benchmark.core.reading import reading
from benchmark.data.bundle_readme import readme
from benchmark.data.make_pairs import JPEG_QUALITY, write_image, write_pairs
from benchmark.weather import PAIRS_VERSION, STRENGTHS

VERSION = PAIRS_VERSION
TARGET_SIDE = 256
TRAIN_LONG_SIDE = 640

# Chosen by eye: two thirds outdoor scenes, one third animals; no scene that a train photo shows;
# none under a share-alike licence. The counts are multiples of three, so that every weather has
# equally many light, medium and heavy pairs.
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


Row = dict[str, str]  # of a manifest.csv, by column


def make_data(
    photos: str | Path,
    out: str | Path,
    seed: int = 0,
    weights: str | Path | None = None,
    overwrite: bool = False,
    held_out: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any]:
    """Build the data set.

    photos: folder with manifest.csv (columns file, licence, author, source and any others) and the
    photographs that it lists. out: folder to make. It must be empty or absent unless `overwrite`,
    which replaces photos/, pairs/ and the files made here and keeps everything else in it. weights:
    folder with the metrics' weights to add, or None for none. held_out: names of the test and val
    photos as {"test": [...], "val": [...]}; all others are for training. Default: HELD_OUT.

    Returns the manifest, which is also written to out/manifest.json. The same photos and seed make
    the same files, bit for bit (with the same versions of NumPy, OpenCV and Pillow).
    Raises UserError for a missing manifest, a photo that is missing, damaged or not listed, missing
    weights, or an `out` that is not empty.
    """
    photos, out = Path(photos), Path(out)
    rows = _read_source_manifest(photos)
    split_of = _split(rows, HELD_OUT if held_out is None else held_out, photos)
    images = {name: _read_photo(photos / row["file"]) for name, row in rows.items()}
    sources = _find_weights(weights)
    _prepare(out, overwrite)

    photo_rows, pairs = [], []
    for name, row in rows.items():
        photo_rows.append(_write_photo(out, name, split_of[name], row, images[name]))
    for split in ("val", "test"):
        names = [name for name in rows if split_of[name] == split]
        for i, name in enumerate(names):
            pairs += write_pairs(out, split, name, i, _target(images[name]), seed)
    for source, name in sources:
        with atomic_path(out / "weights" / name) as temporary:
            shutil.copyfile(source, temporary)

    _write_photo_manifest(out / "photos" / "manifest.csv", photo_rows)
    text = readme(
        photo_rows,
        len(pairs),
        bool(sources),
        version=VERSION,
        seed=seed,
        target_side=TARGET_SIDE,
        train_side=TRAIN_LONG_SIDE,
    )
    write_text(out / "README.md", text)
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


def _read_source_manifest(photos: Path) -> dict[str, Row]:
    """The rows of manifest.csv by the photo's name (the file name without its suffix), sorted."""
    path = photos / "manifest.csv"
    remedy = f"give a folder of photographs with a manifest.csv ({', '.join(_SOURCE_COLUMNS)})"
    with reading(path, "a readable CSV", remedy), path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        columns, rows = reader.fieldnames or (), list(reader)
    missing = [column for column in _SOURCE_COLUMNS if column not in columns]
    if missing:
        raise UserError(f"{path} lacks the columns {', '.join(missing)}: add them.")
    rows.sort(key=lambda row: row["file"] or "")
    for row in rows:
        if None in row or None in row.values() or not Path(row["file"]).stem:
            raise UserError(
                f"{path}: the row of {row['file']!r:.60} has more or fewer cells than the first "
                "line, or names no file: correct it."
            )
        if Path(row["file"]).is_absolute() or ".." in Path(row["file"]).parts:
            raise UserError(
                f"{path}: {row['file']!r:.60} is not in the folder of the manifest: move it there."
            )
    by_name = {Path(row["file"]).stem: row for row in rows}
    if len(by_name) != len(rows):
        raise UserError(f"{path} lists two files with one name: rename one of them.")
    return by_name


def _split(
    rows: Mapping[str, Row], held_out: Mapping[str, Sequence[str]], photos: Path
) -> dict[str, str]:
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


def _read_photo(path: Path) -> np.ndarray:
    """A photograph as uint8 (H, W, 3), RGB, upright and without transparency, as viewers show it.

    Its ICC profile is not applied: the bundled data were made without, and stay the same bytes.
    """
    if not os.path.isfile(path):
        raise UserError(f"photo {path} is missing: it is listed in manifest.csv; add it.")
    return np.array(upright_srgb(replace(decode(path), profile=None), path))


def _find_weights(weights: str | Path | None) -> list[tuple[Path, str]]:
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


def _prepare(out: Path, overwrite: bool) -> None:
    """Make the folder of the data set, or remove the pictures of an earlier one from it."""
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is not a folder: give another place for the data set.")
    if out.exists() and any(out.iterdir()):
        if not overwrite:
            raise UserError(f"{out} is not empty: empty it, or add --overwrite.")
        for folder in ("photos", "pairs"):
            shutil.rmtree(out / folder, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)


def _target(image: np.ndarray) -> np.ndarray:
    """uint8 (256, 256, 3) from uint8 (H, W, 3): short side scaled to fit, centre cropped."""
    height, width = image.shape[:2]
    scale = TARGET_SIDE / min(height, width)
    size = (max(TARGET_SIDE, round(width * scale)), max(TARGET_SIDE, round(height * scale)))
    image = cv2.resize(image, size, interpolation=_resize_method(scale))
    top, left = (size[1] - TARGET_SIDE) // 2, (size[0] - TARGET_SIDE) // 2
    return np.ascontiguousarray(image[top : top + TARGET_SIDE, left : left + TARGET_SIDE])


def _train_photo(image: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3), scaled down to at most TRAIN_LONG_SIDE pixels along the longer side."""
    height, width = image.shape[:2]
    scale = TRAIN_LONG_SIDE / max(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image, size, interpolation=_resize_method(scale))


def _resize_method(scale: float) -> int:
    return cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC


def _write_photo(
    out: Path, name: str, split: str, row: Row, image: np.ndarray
) -> dict[str, str | int]:
    """Write one clean photograph; returns its row of photos/manifest.csv.

    row: the photo's row of the source manifest. image: uint8 (H, W, 3), of any size.
    """
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


def _write_photo_manifest(path: Path, rows: Sequence[Mapping[str, str | int]]) -> None:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def _describe_file(out: Path, path: str) -> dict[str, str | int]:
    """The manifest's entry of a file: path below `out`, size in bytes, SHA-256, size in pixels."""
    full = out / path
    entry = {"path": path, "bytes": full.stat().st_size, "sha256": checksum(full)}
    if full.suffix in (".png", ".jpg"):
        with Image.open(full) as image:
            entry["width"], entry["height"] = image.size
    return entry
