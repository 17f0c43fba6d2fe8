"""The degraded pictures of the bundled targets: made with the data set, and remade by anyone."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmark.core.atomic import atomic_path
from benchmark.core.checksum import checksum
from benchmark.core.errors import UserError
from benchmark.core.image_io import read_image
from benchmark.core.seeds import numpy_generator
from benchmark.weather import STRENGTHS, WEATHERS, degrade

JPEG_QUALITY = 95


def remake_pairs(data: Path, out: Path) -> list[str]:
    """Make the pairs of a data set anew, from its own targets and seed, into `out`.

    Returns the paths (below both folders) whose bytes differ from what data/manifest.json says;
    none, with the library versions that the manifest names. Raises UserError if the manifest or a
    target is missing or damaged.
    """
    file = data / "manifest.json"
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
        seed = manifest["seed"]
        photos = [(_name(pair["split"]), _name(pair["photo"])) for pair in manifest["pairs"]]
        expected = {entry["path"]: entry["sha256"] for entry in manifest["files"]}
    except (OSError, ValueError, RecursionError, KeyError, TypeError) as error:
        raise UserError(f"{file} is missing or damaged ({error}). Run 'dvc pull'.") from error
    differing = []
    for split in dict.fromkeys(split for split, _ in photos):
        names = list(dict.fromkeys(photo for own, photo in photos if own == split))
        for index, name in enumerate(names):
            target = read_image(data / "photos" / split / f"{name}.png")
            for pair in write_pairs(out, split, name, index, target, seed):
                path = pair["degraded"]
                made = checksum(out / path)
                if made != expected.get(path):
                    differing.append(path)
    return differing


def _name(value: Any) -> str:
    """A name that leads to no other folder; ValueError if it is none."""
    if not isinstance(value, str) or value in ("", ".", "..") or set("/\\\0") & set(value):
        raise ValueError(f"{value!r:.60} cannot name a file")
    return value


def write_pairs(out, split, name, index, target, seed):
    """Writes the degraded pictures of one target, one a weather; returns their descriptions."""
    clean = target.astype(np.float32) / np.float32(255)
    levels, pairs = list(STRENGTHS), []
    for j, weather in enumerate(WEATHERS):
        level = levels[(index + j) % len(levels)]  # a Latin square over photos and weathers
        rng = numpy_generator("pair", seed, split, weather, name)
        strength = round(float(rng.uniform(*STRENGTHS[level])), 6)
        degraded, parameters = degrade(clean, weather, strength, rng)
        path = f"pairs/{split}/{weather}/{name}.png"
        write_image(out / path, np.round(degraded * 255).astype(np.uint8))
        pairs.append({
            "split": split, "weather": weather, "photo": name,
            "degraded": path, "target": f"photos/{split}/{name}.png",
            "level": level, "strength": strength, "parameters": parameters,
        })  # fmt: skip
    return pairs


def write_image(path, pixels):
    """Write uint8 (H, W, 3) as JPEG or PNG, by the path's ending, atomically."""
    buffer = io.BytesIO()
    if path.suffix == ".jpg":
        Image.fromarray(pixels).save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    else:
        Image.fromarray(pixels).save(buffer, "PNG", compress_level=6)
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getvalue())
