"""Training images decoded once: 8-bit pixels in files, which all processes map into memory.

To decode a file costs a hundred times as much as to copy a crop. Decoded photographs lie in
`.cache/decoded/`, in files of up to `SHARD_BYTES`. A process maps them: pages that are used are in
memory once for all trainings and loader processes of the machine, and the system drops them when it
needs the memory. A loader process that is not forked gets the names of the files, not the pixels.

The folder can be deleted at any time. Caches that were not used for `KEPT_DAYS` are deleted when a
new one is made.
"""

import fcntl
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.core import image_io
from benchmark.core.atomic import atomic_folder
from benchmark.core.checksum import checksum, json_digest
from benchmark.core.errors import NotWritten
from benchmark.core.image_io import read_image
from benchmark.core.paths import ROOT
from benchmark.core.pipeline import ahead

FOLDER = ROOT / ".cache" / "decoded"
SHARD_BYTES = 2**30
KEPT_DAYS = 30
THREADS = 8  # at most, that decode
PLACES = "places.json"
Pixels = NDArray[np.uint8]


class Decoded(Sequence[Pixels]):
    """Decoded images: each a read-only uint8 array (H, W, 3), RGB.

    folder: of the shards, `N.u8`. places: of each image its shard, its first byte there, H and W.
    """

    def __init__(self, folder: Path, places: Sequence[Sequence[int]]):
        self.folder, self.places = folder, np.array(places, dtype=np.int64).reshape(-1, 4)
        self._shards: dict[int, Pixels] = {}

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> Pixels:
        shard, first, height, width = self.places[index].tolist()
        if shard not in self._shards:
            mapped = np.memmap(self.folder / f"{shard}.u8", np.uint8, "r")
            self._shards[shard] = mapped.view(np.ndarray)
        pixels = self._shards[shard][first : first + 3 * height * width]
        return pixels.reshape(height, width, 3)

    def __getstate__(self) -> dict[str, Any]:
        """What a process needs to map the files itself."""
        return {**self.__dict__, "_shards": {}}


@contextmanager
def kept_in(folder: Path) -> Iterator[None]:
    """Inside, decoded images are kept in another folder than `FOLDER`."""
    global FOLDER
    usual, FOLDER = FOLDER, folder
    try:
        yield
    finally:
        FOLDER = usual


def decode(files: Sequence[Path], most: int) -> Decoded:
    """The first of some images, decoded, until they have `most` bytes.

    They are read again if a file, or the room `core`, which reads them, has changed. If they cannot
    be written there are none, and a line on standard error says why. Raises UserError, naming the
    file, if an image cannot be read.
    """
    if not most:
        return Decoded(FOLDER, [])
    stamps = tuple((str(file), *_stamp(file)) for file in files)
    return _decode(stamps, most, FOLDER, _decoder())


@cache
def _decoder() -> str:
    """A digest of the sources that read images, those of the room `core`."""
    sources = sorted(Path(image_io.__file__).parent.glob("*.py"))
    return json_digest([checksum(file) for file in sources])


@lru_cache(maxsize=2)
def _decode(
    stamps: tuple[tuple[str, int, int], ...], most: int, within: Path, decoder: str
) -> Decoded:
    """stamps: path, time of modification and size of each file. decoder: a digest of its source."""
    folder = within / json_digest([stamps, most, decoder])[:32]
    try:
        with _locked(within, folder.name):
            if not (folder / PLACES).is_file():
                _forget_unused(within)
                _write([Path(path) for path, *_ in stamps], most, folder)
            os.utime(folder)
        return Decoded(folder, json.loads((folder / PLACES).read_text()))
    except (NotWritten, OSError) as error:
        print(
            f"The decoded training images are not kept ({error}): files are decoded at each use.",
            file=sys.stderr,
        )
        return Decoded(folder, [])


def _write(files: Sequence[Path], most: int, folder: Path) -> None:
    """Write the shards and, at last, where each image is."""
    places, size, shard, length = [], 0, 0, 0
    threads = min(THREADS, os.cpu_count() or 1)
    with atomic_folder(folder) as new, closing(ahead(read_image, files, threads, 16)) as decoding:
        out = (new / "0.u8").open("wb")
        try:
            for _, future in decoding:
                if size >= most:
                    break
                pixels = future.result()
                if length and length + pixels.nbytes > SHARD_BYTES:
                    out.close()
                    shard, length = shard + 1, 0
                    out = (new / f"{shard}.u8").open("wb")
                out.write(pixels.tobytes())
                places.append([shard, length, *pixels.shape[:2]])
                length, size = length + pixels.nbytes, size + pixels.nbytes
        finally:
            out.close()
        (new / PLACES).write_text(json.dumps(places))


@contextmanager
def _locked(within: Path, name: str) -> Iterator[None]:
    """One process decodes, and others that need the same images wait."""
    within.mkdir(parents=True, exist_ok=True)
    with (within / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _forget_unused(within: Path) -> None:
    for folder in within.iterdir():
        with suppress(OSError):
            if folder.is_dir() and time.time() - folder.stat().st_mtime > 86400 * KEPT_DAYS:
                shutil.rmtree(folder)
                (within / f"{folder.name}.lock").unlink()


def _stamp(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_mtime_ns, found.st_size
