"""Data sets that are made here: simulated weather on clean photographs, at every level.

The card's `made` says of what. A set is made when a run first needs it, and made again when its
photographs, its card's `made` or the meaning of the simulation have changed.
"""

from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from benchmark.core.atomic import atomic_folder
from benchmark.core.checksum import checksum, json_digest
from benchmark.core.errors import UserError
from benchmark.core.image_io import read_image
from benchmark.core.json_io import read_json, write_json
from benchmark.core.paths import in_project, shown
from benchmark.core.seeds import numpy_generator
from benchmark.data import cards
from benchmark.data.card_settings import DatasetCard
from benchmark.data.make_pairs import write_image
from benchmark.spec import reach
from benchmark.spec.run_config import Config
from benchmark.weather import STRENGTHS, degrade

INPUT, TARGET = "inputs/{weather}/{photo}-{level}.png", "targets/{photo}.png"
MANIFEST = "manifest.json"


def in_run(config: Config) -> list[str]:
    """The cards of a run's sets that are made here."""
    names = dict.fromkeys(config.card_of(dataset) for dataset in config.datasets)
    return [name for name in names if cards.load_card(name).made is not None]


def make(name: str) -> bool:
    """Make the set of a card; returns whether it had to be made.

    The set replaces an earlier one in one step. Raises UserError if the card has no `made`, if
    there is no photograph, or if another set is in its folder.
    """
    card = cards.load_card(name)
    where = f"config/datasets/{name}.yaml"
    if card.made is None:
        raise UserError(f"{where}: the set is not made here: there is no 'made'.")
    folder, pattern = PurePosixPath(card.made.photos).parent, PurePosixPath(card.made.photos).name
    photos = {path.stem: path for path in sorted(in_project(str(folder)).glob(pattern))}
    if not photos:
        raise UserError(f"{where}: made.photos: no file matches {card.made.photos}: pull the data.")
    identity = json_digest({
        "made": card.made.model_dump(mode="json"),
        "weathers": card.weathers,
        "photos": {name: checksum(path) for name, path in photos.items()},
        "sources": reach.reached_by("benchmark.data.made_sets:_write").digest,
    })  # fmt: skip
    if earlier := _manifest(name, card.folder):
        if earlier["identity"] == identity:
            return False
        _refuse_other_files(card.folder, earlier)
    with atomic_folder(card.folder) as out:
        pairs = _write(out, card, photos)
        files = [path.relative_to(out).as_posix() for path in sorted(out.rglob("*.png"))]
        described = [{"path": file, "sha256": checksum(out / file)} for file in files]
        about = {"identity": identity, "name": name, "files": described, "pairs": pairs}
        write_json(out / MANIFEST, about)
    return True


def _manifest(name: str, folder: Path) -> dict[str, Any] | None:
    """The manifest of the made set in a folder; None if the folder is missing or empty.

    Raises UserError if the folder has other files, or a manifest that cannot be read.
    """
    if not folder.exists() or not any(folder.iterdir()):
        return None
    manifest = folder / MANIFEST
    remedy = f"move {shown(folder)} away, and the set is made again"
    known = read_json(manifest, remedy) if manifest.exists() else None
    if not isinstance(known, dict) or "identity" not in known or known.get("name", name) != name:
        raise UserError(f"{shown(folder)} has other files than the set '{name}': move them.")
    return known


def _refuse_other_files(folder: Path, manifest: dict[str, Any]) -> None:
    """Raise UserError if the folder of a made set has files that its manifest does not name."""
    own = {MANIFEST, *(file["path"] for file in manifest.get("files", ()))}
    files = (path for path in folder.rglob("*") if path.is_file())
    if others := {path.relative_to(folder).as_posix() for path in files} - own:
        raise UserError(
            f"{shown(folder / min(others))} is not of the set, which is to be made again: move it."
        )


def _write(out: Path, card: DatasetCard, photos: dict[str, Path]) -> list[dict]:
    """Write targets and inputs; returns an entry of the manifest for each input."""
    pairs = []
    for photo, path in photos.items():
        pixels = read_image(path)
        target = TARGET.format(photo=photo)
        write_image(out / target, pixels)
        clean = pixels.astype(np.float32) / np.float32(255)
        for weather in card.weathers:
            for level in card.made.levels:
                rng = numpy_generator("made pair", card.made.seed, weather, level, photo)
                strength = round(float(rng.uniform(*STRENGTHS[level])), 6)
                degraded, parameters = degrade(clean, weather, strength, rng)
                file = INPUT.format(weather=weather, photo=photo, level=level)
                write_image(out / file, np.round(degraded * 255).astype(np.uint8))
                pairs.append({
                    "degraded": file, "target": target, "level": level, "strength": strength,
                    "parameters": parameters,
                })  # fmt: skip
    return pairs
