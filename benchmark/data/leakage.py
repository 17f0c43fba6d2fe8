"""Refuses a run whose test photographs are also trained on, whatever their names and formats.

Three comparisons, each finer than the last: pixels; a difference hash of what a photograph shows;
and, where the hash of one fits some part of the other, local features in a common arrangement.
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
# The bundled targets and their photographs, saved at 640 pixels as JPEG of quality 50, differ in at
# most 14 bits; any two of 297 photographs (these and BSDS500) differ in at least 78.
SAME_PHOTO = 40
# Squares of these shares of the shorter side, at all places, are looked for in the other image.
# Somewhere as near as this come 1.3 % of different photographs, 96 % of crops of four fifths and
# 92 % of crops of three fifths of the shorter side. The others are not found.
SHARES = (1.0, 0.8, 0.64, 0.5)
NEAR = 80
# Of 99 crops of 60 % of each side, every other one mirrored, scaled by 0.7 and saved as JPEG of
# quality 60, 98 have at least 13 points in common with their photograph; 2,500 pairs of different
# photographs have at most 3.
COMMON_POINTS = 10
# Targets times photographs of a data set up to which crops are looked for, which takes about 0.1 ms
# each: minutes. Whole photographs are compared a thousand times as fast.
CROP_PAIRS = 2_000_000
TURNS = 4  # by a right angle
LONGER_SIDE = 320


@dataclass(frozen=True)
class Look:
    """What is compared of an image.

    pixels: a digest of them. hashes: difference hashes (8, 256) of ±1, float32, as it is and turned
    and mirrored. maps: where grey rises to the right, bool, for each of `SHARES`.
    """

    path: Path
    pixels: str
    hashes: np.ndarray
    maps: tuple[np.ndarray, ...]


def check(images: pd.DataFrame, photos: Sequence[Path]) -> None:
    """Raise UserError, naming data set, photo and both files, if a target shows one of `photos`.

    images: rows of images.csv, paths relative to the repository; where there is no target, the
    input stands for it. photos: what is trained on. Contents are compared, not names: a photograph
    is found again after scaling, compression, turning, mirroring and, most often, cropping. Crops
    are not looked for where a data set has more than CROP_PAIRS pairs of both kinds.
    """
    shows = images.target.where(images.target != "", images.input)
    table = images.assign(target=shows).drop_duplicates("target")
    trained, faults = look_at(photos), []
    for name, group in table.groupby("dataset", sort=False):
        rows = list(group.itertuples())
        targets = look_at([ROOT / row.target for row in rows])
        crops = len(targets) * len(trained) <= CROP_PAIRS
        if not crops:
            print(
                f"{name}: {len(targets)} test and {len(trained)} training photographs are too many "
                "to look for crops: they are compared as a whole",
                file=sys.stderr,
            )
        faults += [
            f"{name}: photo '{rows[i].photo}', {rows[i].target} {how} {shown(photos[j])}"
            for i, j in near(targets, trained, crops)
            if (how := relation(targets[i], trained[j]))
        ]
    if faults:
        listed = "\n  ".join(faults[:20])
        raise UserError(
            f"Test photographs are among those trained on ({len(faults)}):\n  {listed}\n"
            "Take them out of the 'train' pattern of the card in config/datasets/, or out of the "
            "test split."
        )


def look_at(paths: Sequence[Path]) -> list[Look]:
    """Looks of many images, read in threads."""
    with ThreadPoolExecutor(threads()) as pool:
        looks = pool.map(look, paths)
        return list(tqdm(looks, "compare photographs", len(paths), unit="photo", mininterval=1))


def look(path: Path) -> Look:
    """Read an image for comparing. Raises UserError if it cannot be read."""
    image = read_image(path)
    digest = hashlib.sha256(str(image.shape).encode() + image.tobytes()).hexdigest()
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    views = [np.rot90(view, turns) for view in (grey, grey[:, ::-1]) for turns in range(TURNS)]
    hashes = np.stack([difference_hash(view).ravel() for view in views])
    return Look(path, digest, _signs(hashes), tuple(_rises(grey, share) for share in SHARES))


def difference_hash(grey: np.ndarray) -> np.ndarray:
    """256 bits, bool (16, 16), that tell what an image (H, W) shows: where it rises to the right.

    The central square is averaged to 16×17 pixels and neighbours are compared, as in the dHash of
    N. Krawetz, "Kind of Like That", 2013.
    """
    height, width = grey.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return _rises(grey[top : top + side, left : left + side], 1.0)


def near(
    targets: Sequence[Look], trained: Sequence[Look], crops: bool = True
) -> list[tuple[int, int]]:
    """Pairs (target, trained) worth a closer look.

    Those whose hashes agree, turned or mirrored, and, if `crops`, those in which the hash of one,
    mirrored or not, nearly fits some square of the other.
    """
    found: set[tuple[int, int]] = set()
    upright = np.stack([target.hashes[0] for target in targets])
    for j, photo in enumerate(trained):
        agreement = (upright @ photo.hashes.T).max(axis=1)
        found |= {(int(i), j) for i in np.flatnonzero(BITS - agreement <= 2 * SAME_PHOTO)}
    if not crops:
        return sorted(found)
    target_hashes, trained_hashes = _upright_hashes(targets), _upright_hashes(trained)
    for j, photo in enumerate(trained):
        found |= {(int(i), j) for i in _within(photo, target_hashes)}
    for i, target in enumerate(targets):
        found |= {(i, int(j)) for j in _within(target, trained_hashes)}
    return sorted(found)


def _upright_hashes(looks: Sequence[Look]) -> np.ndarray:
    """(N, 2, 256): as they are, and mirrored."""
    return np.stack([look.hashes[[0, TURNS]] for look in looks])


def _within(whole: Look, hashes: np.ndarray) -> np.ndarray:
    """Which of the hashes (N, 2, 256) are within `NEAR` bits of a square of the whole."""
    squares = np.concatenate([
        np.lib.stride_tricks.sliding_window_view(rises, (SIDE, SIDE)).reshape(-1, BITS)
        for rises in whole.maps
    ])  # fmt: skip
    agreement = (_signs(squares) @ hashes.reshape(-1, BITS).T).max(axis=0)
    return np.flatnonzero(BITS - agreement.reshape(-1, 2).max(axis=1) <= 2 * NEAR)


def relation(target: Look, photo: Look) -> str:
    """How the target shows what the photo shows, as words between their names; "" if not."""
    if target.pixels == photo.pixels:
        return "has the pixels of"
    if BITS - (photo.hashes @ target.hashes[0]).max() <= 2 * SAME_PHOTO:
        return "is"
    points = max(_common_points(_features(target.path, m), _features(photo.path)) for m in (0, 1))
    return f"shows a part of ({points} points in common)" if points >= COMMON_POINTS else ""


def _common_points(a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]) -> int:
    """How many distinct points of b one shift, turn and scaling takes like points of a to."""
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
    """SIFT points (N, 2) and their descriptors (N, 128), square roots of shares of their sum."""
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


def _rises(grey: np.ndarray, share: float) -> np.ndarray:
    """Where the image, with `share` of its shorter side averaged to 16 pixels, rises to the right.

    bool (H, W), 16 or more along each side.
    """
    scale = SIDE / (share * min(grey.shape))
    height, width = (max(SIDE, round(side * scale)) for side in grey.shape)
    size = (width + 1, height)
    small = cv2.resize(grey.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return small[:, 1:] > small[:, :-1]


def _signs(bits: np.ndarray) -> np.ndarray:
    return np.where(bits, np.float32(1), np.float32(-1))
