"""Restores the user's own photos with a trained method."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from benchmark.core import device
from benchmark.core.errors import UserError, WeightsMissing, nearest
from benchmark.core.image_io import to_float
from benchmark.core.paths import is_utf8, shown, where_the_data_come_from
from benchmark.core.seeds import torch_generator
from benchmark.core.validation import parse
from benchmark.restoring import dataset, output
from benchmark.restoring.photo_io import (
    SAVED,
    is_photo,
    read_photo,
    write_comparison,
    write_photo,
)
from benchmark.results.layout import RunFolder
from benchmark.spec import given_weights, sources
from benchmark.spec.build import build
from benchmark.spec.method import Method, Settings
from benchmark.spec.run_config import Config, WeightFile

SAME = "same"  # the result has the format of the photo
COMPARISON = "-compare.jpg"


@dataclass(frozen=True)
class Output:
    """A photo, the file for its restoration, and the file for the comparison, if one is made."""

    photo: Path
    restored: Path
    comparison: Path | None = None


@dataclass(frozen=True)
class Restorer:
    """A method with its weights on the device, and its settings. name: for headings."""

    name: str
    method: Method
    settings: Settings
    machine: torch.device


def find_photos(paths: Iterable[Path]) -> list[Path]:
    """The photos at these paths, and the images in those that are folders; each once.

    Raises UserError for a path that does not exist and a folder without images.
    """
    photos: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            inside = sorted(filter(is_photo, path.iterdir()))
            if not inside:
                raise UserError(f"The folder {shown(path)} holds no images.")
            photos.update(dict.fromkeys(inside))
        elif path.exists():
            photos[path] = None
        else:
            raise UserError(f"There is no photo or folder {shown(path)}. Check the path.")
    return list(photos)


def outputs(photos: Iterable[Path], out: Path, kind: str, compare: bool) -> list[Output]:
    """The files to write for each photo: `out/STEM.KIND` and, if `compare`,
    `out/STEM-compare.jpg`.

    kind: a suffix without the dot, or `same` for that of the photo. Raises UserError if a result
    would overwrite another result or a photo.
    """
    photos = list(photos)
    inputs, photo_of = {photo.resolve() for photo in photos}, {}
    found = []
    for photo in photos:
        suffix = photo.suffix if kind == SAME else f".{kind}"
        comparison = out / (photo.stem + COMPARISON) if compare else None
        output = Output(photo, out / (photo.stem + suffix), comparison)
        for file in filter(None, (output.restored, output.comparison)):
            if file.resolve() in inputs:
                raise UserError(f"{shown(file)} is a photo to restore: choose another --out.")
            other = photo_of.setdefault(file.resolve(), photo)
            if other is not photo:
                raise UserError(
                    f"{shown(other)} and {shown(photo)} would both become {shown(file)}: rename "
                    "one of them, or restore them one after the other to different folders."
                )
        found.append(output)
    return found


def restorer(
    config: Config,
    where: Path,
    run: RunFolder,
    label: str,
    variant: str | None = None,
    steps: int | None = None,
) -> Restorer:
    """An entry of a run, ready to restore.

    where: the run's file, for messages. variant: the entry's first if None. steps: in place of the
    variant's own. Raises UserError if there is no such entry or variant, or if the method has no
    steps or needs the ground truth; WeightsMissing if its weights are missing.
    """
    variants = config.variants_of(label)
    variant = variant or next(iter(variants))
    if variant not in variants:
        raise UserError(f"'{label}' has no variant '{variant}'.{nearest(variant, variants)}")
    method = build(config, label, config.seeds_of(label)[0])
    if method.sees_target:
        raise UserError(f"'{label}' needs the ground truth and cannot restore a photo.")
    values: dict[str, Any] = {**variants[variant]}
    name = label if variant == "default" else f"{label} {variant}"
    if steps is not None:
        if "steps" not in method.Variant.model_fields:
            raise UserError(f"'{label}' does not work in steps: leave out --steps.")
        values["steps"], name = steps, f"{label} with {steps} steps"
    settings = parse(method.Variant, values, f"{where}: methods.{label}.variants.{variant}")
    machine = device.choose()
    file = weights_of(config, where, run, label)
    if isinstance(file, WeightFile):
        given_weights.load(method, file)
        dataset.place(method, machine)
    else:
        dataset.ready(method, file, machine)
    return Restorer(name, method, settings, machine)


def weights_of(config: Config, where: Path, run: RunFolder, label: str) -> Path | WeightFile | None:
    """An entry's weight file: of the run's training, or else that named in the configuration.

    None for a method that does not learn. Raises WeightsMissing, which says what to run.
    """
    if not sources.learns(config.method_of(label)):
        return None
    seed = config.seeds_of(label)[0]
    trained = run.training(label, seed) / "weights.safetensors"
    if trained.exists():
        return trained
    named = config.weights_of(label, seed)
    if named is None:
        raise WeightsMissing(f"'{label}' is not trained ({trained} is missing): {remedy(where)}.")
    if not named.path.exists():
        raise WeightsMissing(
            f"The weights of '{label}' are missing ({shown(named.path)}): "
            f"{where_the_data_come_from()}, or choose another --config whose run is complete."
        )
    return named


def restore_photos(restorer: Restorer, results: list[Output]) -> list[tuple[Path, str]]:
    """Restore photos one by one; returns the photos that failed, each with the reason."""
    problems = []
    for result in tqdm(results, restorer.name, unit="photo"):
        try:
            _restore_one(restorer, result)
        except UserError as error:
            problems.append((result.photo, str(error)))
        except Exception as error:
            problems.append((result.photo, f"{type(error).__name__}: {error}"))
    return problems


def _restore_one(restorer: Restorer, result: Output) -> None:
    if not is_utf8(result.photo.name):
        raise UserError(f"The name of {shown(result.photo)} is not valid UTF-8. Rename the file.")
    photo = read_photo(result.photo)
    if result.restored.suffix.lower() not in SAVED:
        raise UserError(
            f"{shown(result.photo)}: files with this suffix cannot be written. Choose a --format."
        )
    degraded = torch.from_numpy(to_float(photo.pixels)).permute(2, 0, 1)[None]
    degraded = degraded.to(restorer.machine).contiguous()
    generator = torch_generator("photo", result.photo.name)
    with torch.inference_mode():
        restored = restorer.method.restore(degraded, restorer.settings, [generator])
    output.check(restored, degraded)
    pixels = dataset.to_pixels(restored)
    write_photo(result.restored, pixels, photo)
    if result.comparison:
        write_comparison(result.comparison, photo.pixels, pixels, restorer.name)


def remedy(where: Path) -> str:
    """The command that makes the run of a configuration file, for messages on missing results."""
    return f"run 'make benchmark CONFIG={where}'"
