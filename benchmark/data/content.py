"""What data sets hold now, by checksums: files are read again only if they have changed.

Nothing here fails because of the data. The job that checks the data sets (`images`) names what is
missing or damaged; before it runs, its work must be planned.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmark.core.errors import UserError
from benchmark.data.cards import load_card
from benchmark.data.file_index import examine
from benchmark.data.set_images import list_images
from benchmark.data.training_files import training_source
from benchmark.results.tables import IMAGES
from benchmark.spec.run_config import DatasetChoice

# Of images.csv, what scores and restored images can depend on.
INPUTS = ("weather", "image", "input_sha256")
PAIRS = (*INPUTS, "target_sha256")
UNREAD = "cannot be read"  # the digest of data that are missing, or of a card that is wrong


def test_images(name: str, choice: DatasetChoice) -> pd.DataFrame:
    """The images that a run's data set chooses: columns IMAGES; no row if they cannot be listed."""
    try:
        return list_images(name, load_card(choice.card or name), choice)[0]
    except (UserError, OSError, KeyError):
        return pd.DataFrame(columns=list(IMAGES))


def images_digest(images: pd.DataFrame, columns: Sequence[str] = IMAGES) -> str:
    """SHA-256 of the rows of test images, in these columns."""
    if images.empty:
        return UNREAD
    return _digest("\t".join(map(str, row)) for row in images[list(columns)].to_numpy())


def training_digest(name: str, weathers: Sequence[str]) -> str:
    """SHA-256 of the contents of a set's training files, in the order in which they are drawn from.

    Their names do not count: the same photographs in the same order give the same training.
    """
    try:
        source = training_source(name, weathers)
        pairs = [pair if isinstance(pair, tuple) else (pair,) for pair in source]
        facts = examine([path for pair in pairs for path in pair], name)
    except (UserError, OSError, KeyError):
        return UNREAD
    return _digest(" ".join(facts[path].sha256 for path in pair) for pair in pairs)


def file_digest(path: Path) -> str:
    """SHA-256 of a file that a configuration names, such as weights."""
    try:
        return examine([path])[path].sha256
    except OSError:
        return UNREAD


def _digest(lines) -> str:
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
