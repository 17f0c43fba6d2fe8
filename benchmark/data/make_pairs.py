"""Makes the degraded pictures of the bundled targets, and makes them again from the data alone."""

import io
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from PIL import Image
from pydantic import AfterValidator, BaseModel, ConfigDict

from benchmark.core.atomic import atomic_path
from benchmark.core.checksum import checksum
from benchmark.core.image_io import read_image
from benchmark.core.json_io import read_json
from benchmark.core.seeds import numpy_generator
from benchmark.core.validation import parse
from benchmark.weather import STRENGTHS, WEATHERS, degrade

JPEG_QUALITY = 95
PULL = "run 'dvc pull --force'"


def _check_file_name(name: str) -> str:
    if name in ("", ".", "..") or set("/\\\0") & set(name):
        raise ValueError(f"{name!r:.60} cannot name a file")
    return name


FileName = Annotated[str, AfterValidator(_check_file_name)]  # leads to no other folder


class _Pair(BaseModel):
    model_config = ConfigDict(strict=True)

    split: FileName
    photo: FileName


class _File(BaseModel):
    model_config = ConfigDict(strict=True)

    path: str
    sha256: str


class _Manifest(BaseModel):
    """The keys of data/manifest.json from which the pairs can be made again."""

    model_config = ConfigDict(strict=True)

    seed: int
    pairs: list[_Pair]
    files: list[_File]


def remake_pairs(data: Path, out: Path) -> list[str]:
    """Make the pairs of a data set again, from its own targets and seed, into `out`.

    Returns the paths (below both folders) of the pictures whose bytes differ from the checksums in
    data/manifest.json. With the library versions that the manifest names there are none. Raises
    UserError if the manifest or a target is missing or damaged.
    """
    file = data / "manifest.json"
    manifest = parse(_Manifest, read_json(file, PULL), str(file), PULL)
    photos = [(pair.split, pair.photo) for pair in manifest.pairs]
    expected = {entry.path: entry.sha256 for entry in manifest.files}
    differing = []
    for split in dict.fromkeys(split for split, _ in photos):
        names = list(dict.fromkeys(photo for own, photo in photos if own == split))
        for index, name in enumerate(names):
            target = read_image(data / "photos" / split / f"{name}.png")
            for pair in write_pairs(out, split, name, index, target, manifest.seed):
                path = pair["degraded"]
                made = checksum(out / path)
                if made != expected.get(path):
                    differing.append(path)
    return differing


def write_pairs(
    out: Path, split: str, name: str, index: int, target: np.ndarray, seed: int
) -> list[dict[str, Any]]:
    """Write the degraded pictures of one target, one per weather.

    out: the data set's folder. index: the target's number in its split, which chooses the levels.
    target: uint8 (H, W, 3), RGB. Returns the manifest's entry of each pair: paths below `out`,
    level (light, medium, heavy), strength in [0, 1] and the parameters of the weather.
    """
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


def write_image(path: Path, pixels: np.ndarray) -> None:
    """Write uint8 (H, W, 3), RGB, atomically: as JPEG if the suffix is .jpg, else as PNG."""
    buffer = io.BytesIO()
    if path.suffix == ".jpg":
        Image.fromarray(pixels).save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    else:
        Image.fromarray(pixels).save(buffer, "PNG", compress_level=6)
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getvalue())
