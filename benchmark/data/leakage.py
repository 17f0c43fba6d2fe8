"""Refuses a run if a test photograph is also in the training data, under any name or format.

There are three comparisons: of the pixels; of difference hashes of the whole photographs; and, if
the hash of one photograph is similar to the hash of a part of the other, of local features.
"""

import hashlib
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from tqdm import tqdm

from benchmark.core.errors import UserError
from benchmark.core.image_io import read_image
from benchmark.core.paths import ROOT, shown
from benchmark.data.file_index import threads

SIDE = 16
BITS = SIDE * SIDE
# Measured: a bundled target and its own photograph, saved at 640 pixels as JPEG of quality 50,
# differ in at most 14 bits. Any two of 297 photographs (these and BSDS500) differ in at least 78.
SAME_PHOTO_BITS = 40
# The hash of one image is compared with the hashes of all squares of the other that have these
# shares of its shorter side. In some square at most CROP_BITS bits differ for 1.3 % of the pairs of
# different photographs, for 96 % of crops of four fifths and 92 % of crops of three fifths of the
# shorter side. The other crops are not found.
SHARES = (1.0, 0.8, 0.64, 0.5)
CROP_BITS = 80
# Measured: of 99 crops of 60 % of each side, every other one mirrored, scaled by 0.7 and saved as
# JPEG of quality 60, 98 have at least 13 points in common with their photograph. 2,500 pairs of
# different photographs have at most 3.
COMMON_POINTS = 10
# Crops are looked for if targets times training photographs are at most this many: a comparison
# takes about 0.1 ms, so that all take minutes. Whole photographs are compared 1000 times as fast.
CROP_PAIRS = 2_000_000
TURNS = 4  # by 0, 90, 180 and 270 degrees
LONGER_SIDE = 320


@dataclass(frozen=True)
class Fingerprint:
    """The parts of an image that are compared.

    pixels: SHA-256 of the pixels. hashes: difference hashes, float32 (8, 256) of ±1: of the image
    and of its mirror image, each in four turns. maps: for each of `SHARES`, bool (H, W): whether
    grey rises to the right.
    """

    path: Path
    pixels: str
    hashes: np.ndarray
    maps: tuple[np.ndarray, ...]


def check(images: pd.DataFrame, photos: Sequence[Path]) -> None:
    """Raise UserError, naming data set, photo and both files, if a target shows one of `photos`.

    images: rows of images.csv, with paths relative to the repository. An image without a target is
    compared itself. photos: the training photographs. Contents are compared, not names: a
    photograph is found after scaling, compression, turning, mirroring and, in most cases, cropping.
    Crops are not looked for if targets times photos are more than CROP_PAIRS.
    """
    if not photos:
        return
    compared = images.target.where(images.target != "", images.input)
    table = images.assign(target=compared).drop_duplicates("target")
    trained, faults = make_fingerprints(photos), []
    for name, group in table.groupby("dataset", sort=False):
        rows = list(group.itertuples())
        targets = make_fingerprints([ROOT / row.target for row in rows])
        crops = len(targets) * len(trained) <= CROP_PAIRS
        if not crops:
            print(
                f"{name}: {len(targets)} test and {len(trained)} training photographs are too many "
                "to look for crops: only whole photographs are compared",
                file=sys.stderr,
            )
        faults += [
            f"{name}: photo '{rows[i].photo}', {rows[i].target} {how} {shown(photos[j])}"
            for i, j in find_candidates(targets, trained, crops)
            if (how := describe_match(targets[i], trained[j]))
        ]
    if faults:
        listed = "\n  ".join(faults[:20])
        raise UserError(
            f"Test photographs are in the training data ({len(faults)}):\n  {listed}\n"
            "Remove them from the 'train' pattern of the card in config/datasets/, or from the "
            "test split."
        )


def make_fingerprints(paths: Sequence[Path]) -> list[Fingerprint]:
    """Fingerprints of many images, read in threads."""
    with ThreadPoolExecutor(threads()) as pool:
        made = pool.map(make_fingerprint, paths)
        return list(tqdm(made, "compare photographs", len(paths), unit="photo", mininterval=1))


def make_fingerprint(path: Path) -> Fingerprint:
    """Read an image and make its fingerprint. Raises UserError if it cannot be read."""
    image = read_image(path)
    digest = hashlib.sha256(str(image.shape).encode() + image.tobytes()).hexdigest()
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    views = [np.rot90(view, turns) for view in (grey, grey[:, ::-1]) for turns in range(TURNS)]
    hashes = np.stack([difference_hash(view).ravel() for view in views])
    maps = tuple(_rising(grey, share) for share in SHARES)
    return Fingerprint(path, digest, _signs(hashes), maps)


def difference_hash(grey: np.ndarray) -> np.ndarray:
    """The difference hash of an image (H, W): bool (16, 16), whether grey rises to the right.

    The central square is averaged to 16×17 pixels and neighbours are compared, as in the dHash of
    N. Krawetz, "Kind of Like That", 2013.
    """
    height, width = grey.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return _rising(grey[top : top + side, left : left + side], 1.0)


def find_candidates(
    targets: Sequence[Fingerprint], trained: Sequence[Fingerprint], crops: bool = True
) -> list[tuple[int, int]]:
    """Indices (target, trained) of the pairs to compare in detail.

    These are the pairs with similar hashes, turned or mirrored. If `crops`, also the pairs in which
    the hash of one, mirrored or not, is similar to the hash of a square in the other.
    """
    found: set[tuple[int, int]] = set()
    upright = np.stack([target.hashes[0] for target in targets])
    for j, photo in enumerate(trained):
        agreement = (upright @ photo.hashes.T).max(axis=1)
        found |= {(int(i), j) for i in np.flatnonzero(BITS - agreement <= 2 * SAME_PHOTO_BITS)}
    if not crops:
        return sorted(found)
    target_hashes, trained_hashes = _upright_hashes(targets), _upright_hashes(trained)
    for j, photo in enumerate(trained):
        found |= {(int(i), j) for i in _find_in_squares(photo, target_hashes)}
    for i, target in enumerate(targets):
        found |= {(i, int(j)) for j in _find_in_squares(target, trained_hashes)}
    return sorted(found)


def _upright_hashes(fingerprints: Sequence[Fingerprint]) -> np.ndarray:
    """The hashes of N images and of their mirror images, not turned: float32 (N, 2, 256)."""
    return np.stack([one.hashes[[0, TURNS]] for one in fingerprints])


def _find_in_squares(whole: Fingerprint, hashes: np.ndarray) -> np.ndarray:
    """Indices of the hashes (N, 2, 256) that have at most `CROP_BITS` other bits than a square."""
    squares = np.concatenate([
        np.lib.stride_tricks.sliding_window_view(rises, (SIDE, SIDE)).reshape(-1, BITS)
        for rises in whole.maps
    ])  # fmt: skip
    agreement = (_signs(squares) @ hashes.reshape(-1, BITS).T).max(axis=0)
    return np.flatnonzero(BITS - agreement.reshape(-1, 2).max(axis=1) <= 2 * CROP_BITS)


def describe_match(target: Fingerprint, photo: Fingerprint) -> str:
    """How the target repeats the photo, as words between their names; "" if it does not."""
    if target.pixels == photo.pixels:
        return "has the pixels of"
    if BITS - (photo.hashes @ target.hashes[0]).max() <= 2 * SAME_PHOTO_BITS:
        return "is"
    points = max(_common_points(_features(target.path, m), _features(photo.path)) for m in (0, 1))
    return f"shows a part of ({points} points in common)" if points >= COMMON_POINTS else ""


def _common_points(a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]) -> int:
    """Number of distinct points of b that match points of a after one shift, turn and scaling.

    a, b: points (N, 2) and descriptors (N, 128) of `_features`.
    """
    if min(len(a[0]), len(b[0])) < COMMON_POINTS:
        return 0
    matches = cv2.BFMatcher().knnMatch(a[1], b[1], k=2)
    good = [first for first, second in matches if first.distance < 0.8 * second.distance]
    if len(good) < COMMON_POINTS:
        return 0
    source = a[0][[match.queryIdx for match in good]]
    image = b[0][[match.trainIdx for match in good]]
    _, inside = cv2.estimateAffinePartial2D(source, image, ransacReprojThreshold=3)
    places = np.unique(np.round(image[inside.ravel() > 0] / 4), axis=0)
    return len(places)


@lru_cache(maxsize=4096)
def _features(path: Path, mirrored: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """SIFT points (N, 2), in pixels, and RootSIFT descriptors (N, 128), both float32.

    RootSIFT: square roots of the descriptor divided by its sum (Arandjelović and Zisserman, 2012).
    """
    grey = cv2.cvtColor(read_image(path), cv2.COLOR_RGB2GRAY)
    scale = LONGER_SIDE / max(grey.shape)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=how)
    if mirrored:
        small = np.ascontiguousarray(small[:, ::-1])
    sift = cv2.SIFT_create(nfeatures=300, contrastThreshold=0.02)
    points, descriptors = sift.detectAndCompute(small, None)
    if descriptors is None:
        return np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32)
    shares = descriptors / np.maximum(descriptors.sum(axis=1, keepdims=True), 1e-9)
    return np.float32([point.pt for point in points]), np.sqrt(shares)


def _rising(grey: np.ndarray, share: float) -> np.ndarray:
    """Whether grey rises to the right: bool (H, W), H and W at least 16.

    The image is first scaled, so that `share` of its shorter side has 16 pixels.
    """
    scale = SIDE / (share * min(grey.shape))
    height, width = (max(SIDE, round(side * scale)) for side in grey.shape)
    size = (width + 1, height)
    small = cv2.resize(grey.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return small[:, 1:] > small[:, :-1]


def _signs(bits: np.ndarray) -> np.ndarray:
    """bool as float32, 1 or -1. The dot product of two is the equal bits minus the others."""
    return np.where(bits, np.float32(1), np.float32(-1))
