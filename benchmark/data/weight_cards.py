"""Cards of published weight files: where they are, what they fit, and what was published for them.

    python -m benchmark fetch NAME --accept-licence [--from FILE_OR_ADDRESS]

A card, `config/weights/SOURCE.yaml`, has all files of one source. The files are not shipped: most
state no licence.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from benchmark.core import paths
from benchmark.core.atomic import atomic_path
from benchmark.core.checksum import checksum
from benchmark.core.environment import PROGRAM
from benchmark.core.errors import UserError
from benchmark.core.paths import shown
from benchmark.core.validation import parse, read_yaml
from benchmark.data.download import download_once, lock_downloads
from benchmark.spec.method import Settings

CARDS = paths.find("config/weights").absolute()
FOLDER = "weights"  # of the project: where files are put


class Figure(Settings):
    """What was published for a file: numbers on a split of a data set."""

    dataset: str
    split: str
    psnr: float | None = None
    ssim: float | None = None


class WeightFileCard(Settings):
    """One file. `title`: the network's printed name. `parameters`: those of the method that it
    fits. `figures`: published numbers on sets that have a data set card."""

    title: str
    url: str
    sha256: str
    parameters: dict[str, Any] = {}
    figures: tuple[Figure, ...] = ()
    note: str = ""


class WeightCard(Settings):
    """The files of one source, by name. `method`: the file in `methods/` that builds the network.
    `protocol`: how the figures were computed. `reported_in`: where they are printed."""

    title: str
    method: str
    source: str
    licence: str
    citation: str
    protocol: str
    reported_in: str
    files: dict[str, WeightFileCard]


@dataclass(frozen=True)
class PublishedFile:
    """A published weight file, and the card that it is on."""

    name: str
    card_name: str
    card: WeightCard
    file: WeightFileCard

    @property
    def path(self) -> Path:
        """Where `fetch` puts it: `weights/NAME.SUFFIX` of the project."""
        return paths.in_project(self.place)

    @property
    def place(self) -> str:
        """The path as a configuration's `weights` names it."""
        return f"{FOLDER}/{self.name}{Path(urlparse(self.file.url).path).suffix}"


def published_files() -> dict[str, PublishedFile]:
    """Every file on a card of `config/weights/`, by name. UserError names file and key at fault."""
    found: dict[str, PublishedFile] = {}
    for path in sorted(CARDS.glob("*.yaml")):
        card = parse(WeightCard, read_yaml(path), shown(path))
        for name, file in card.files.items():
            if name in found:
                raise UserError(f"{shown(path)}: files.{name}: another card has this name.")
            found[name] = PublishedFile(name, path.stem, card, file)
    return found


def terms(published: PublishedFile) -> str:
    """The licence that a user agrees to, and what else to know before fetching a file."""
    card, file = published.card, published.file
    settings = f", parameters {file.parameters}" if file.parameters else ""
    return "\n".join(
        f"{key}: {text}"
        for key, text in (
            ("weights", f"{file.title} ({card.title})"),
            ("licence", card.licence),
            ("source", card.source),
            ("cite", card.citation),
            ("network", f"method {card.method}{settings}"),
            ("note", file.note or "none"),
        )
    )


def fetch(published: PublishedFile, sources: list[str]) -> None:
    """Put a file to its path, from its address or, if one is given, from a file or another address.

    A download that breaks off is kept beside the path, and the next call goes on there. Raises
    UserError, and leaves the place as it was, if another file is there, if there are several
    sources, or if the file cannot be had or has another SHA-256 than the card's.
    """
    path = published.path
    if path.exists():
        verify(published)
        return
    if len(sources) > 1:
        raise UserError(f"'{published.name}' is one file: give --from once.")
    source = sources[0] if sources else published.file.url
    if "://" in source:
        _download(published, source)
    elif Path(source).is_file():
        with atomic_path(path) as copy:
            shutil.copyfile(source, copy)
            _check(published, copy, source)
        with lock_downloads(path) as downloads:
            shutil.rmtree(downloads, ignore_errors=True)
    else:
        raise UserError(f"There is no file {source}. Check the path given with --from.")


def _download(published: PublishedFile, url: str) -> None:
    """Download a file to its path. What was downloaded is kept until the file is whole."""
    with lock_downloads(published.path) as downloads:
        got = download_once(url, published.path.name, downloads)
        try:
            _check(published, got, url)
        except UserError:
            shutil.rmtree(downloads, ignore_errors=True)
            raise
        os.replace(got, published.path)
        shutil.rmtree(downloads, ignore_errors=True)


def verify(published: PublishedFile) -> None:
    """Raise UserError unless the file is there and has the card's SHA-256."""
    path = published.path
    if not path.is_file():
        raise UserError(
            f"{published.place} is missing: '{PROGRAM} fetch {published.name}' gets it."
        )
    _check(published, path, published.place)


def _check(published: PublishedFile, path: Path, name: str) -> None:
    found = checksum(path)
    if found != published.file.sha256:
        raise UserError(
            f"{name} is not the file of the card: its SHA-256 is {found}, the card says "
            f"{published.file.sha256}. It is damaged or another one; get it from "
            f"{published.file.url}"
        )
