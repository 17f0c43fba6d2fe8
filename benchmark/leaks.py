"""Refuses a run whose test photographs are also trained on, whatever their names and formats."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from benchmark.errors import UserError
from benchmark.images import read_image, shown
from benchmark.registry import ROOT

SIDE = 16
# Of 256 bits. The bundled targets and their photographs, saved at 640 pixels as JPEG of quality 50,
# differ in at most 14; any two of 297 photographs (these and BSDS500) differ in at least 78.
SAME_PHOTO = 40


def check(images: pd.DataFrame, photos: list[Path]) -> None:
    """Raise UserError, naming data set, photo and both files, if a target is one of `photos`.

    images: rows of images.csv, paths relative to the repository; where there is no target, the
    input stands for it. photos: what is trained on. Contents are compared, not names:
    `difference_hash` finds a photograph again after scaling, compression and cropping its longer
    side about the centre.
    """
    shows = images.target.where(images.target != "", images.input)
    targets = images.assign(target=shows).drop_duplicates("target")
    trained = np.stack([difference_hash(photo) for photo in photos])
    faults = []
    for row in targets.itertuples():
        differing = (trained != difference_hash(ROOT / row.target)).sum(axis=1)
        faults += [
            f"{row.dataset}: photo '{row.photo}', {row.target} is {shown(photos[i])}"
            for i in np.flatnonzero(differing <= SAME_PHOTO)
        ]
    if faults:
        listed = "\n  ".join(faults[:20])
        raise UserError(
            f"Test photographs are among those trained on ({len(faults)}):\n  {listed}\n"
            "Take them out of the 'train' pattern of the card in config/datasets/, or out of the "
            "test split."
        )


def difference_hash(path: Path) -> np.ndarray:
    """256 bits, bool (256,), that tell what an image shows: where its grey rises to the right.

    The image's central square is averaged to 16×17 pixels and neighbours are compared, as in the
    dHash of N. Krawetz, "Kind of Like That", 2013. Raises UserError if it cannot be read.
    """
    grey = cv2.cvtColor(read_image(path), cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = grey[top : top + side, left : left + side].astype(np.float32)
    small = cv2.resize(square, (SIDE + 1, SIDE), interpolation=cv2.INTER_AREA)
    return (small[:, 1:] > small[:, :-1]).ravel()
