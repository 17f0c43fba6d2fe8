"""Photos drawn with replacement, and the means over images in each resample.

The draws of a run at full size do not fit into memory (9999 resamples of 16,801 photos are 1.3 GB),
so they are made and used in blocks of rows. Only the means are kept.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 9999
FEW = 100  # photos up to which one call of `multinomial` is faster than counting row by row
BLOCK_BYTES = 2**25  # of a block of draws, and of any other intermediate result
Array = NDArray[np.float64]


def draw_photos(photos: int, generator: np.random.Generator, resamples: int = RESAMPLES) -> Array:
    """How often each photo is in each resample: (resamples, photos); each row sums to `photos`."""
    if photos <= FEW:
        shares = np.full(photos, 1 / photos)
        return generator.multinomial(photos, shares, size=resamples).astype(float)
    counts = np.empty((resamples, photos))
    for row in counts:
        drawn = generator.integers(0, photos, photos, dtype=np.uint32)
        row[:] = np.bincount(drawn, minlength=photos)
    return counts


def draw_blocks(
    photos: int, generator: np.random.Generator, resamples: int = RESAMPLES
) -> Iterator[Array]:
    """`draw_photos` in blocks of rows that take at most `BLOCK_BYTES`, or have one row."""
    rows = max(1, BLOCK_BYTES // (8 * photos))
    for first in range(0, resamples, rows):
        yield draw_photos(photos, generator, min(rows, resamples - first))


@dataclass(frozen=True, eq=False)
class PhotoSums:
    """Images summed by photo. count: of photos. strata: of each stratum, the number of images of
    each photo (count,) and the sums of their values (count, K)."""

    count: int
    strata: list[tuple[Array, Array]]

    def means(self, draws: Array) -> Array:
        """The stratified mean in every resample: (resamples, K).

        draws: (resamples, count). A resample without an image of some stratum is NaN.
        """
        means = np.zeros((len(draws), self.strata[0][1].shape[1]))
        for images, sums in self.strata:
            with np.errstate(invalid="ignore", divide="ignore"):
                means += (draws @ sums) / (draws @ images)[:, None]
        return means / len(self.strata)


def sum_by_photo(values: ArrayLike, photos: ArrayLike, strata: ArrayLike | None) -> PhotoSums:
    """values: (N, K) or (N,). photos: (N,) names; their sorted order is that of a draw's columns.
    strata: (N,)."""
    values = as_columns(values)
    photo = photo_codes(photos)
    count = int(photo.max()) + 1
    codes, parts = stratum_codes(strata, len(values)), []
    for stratum in range(codes.max() + 1):
        inside = codes == stratum
        sums = np.zeros((count, values.shape[1]))
        np.add.at(sums, photo[inside], values[inside])
        images = np.bincount(photo[inside], minlength=count).astype(float)
        parts.append((images, sums))
    return PhotoSums(count, parts)


@dataclass(frozen=True, eq=False)
class Resampled:
    """The stratified means of K columns of scores in every resample, all from the same draws.

    photos: their number. fewest: in the stratum that has the fewest. kept: (F, resamples), of the
    columns that are finite throughout; None if there is none, and with one photo. places: (K,) the
    row of `kept` of each column, or -1.
    """

    photos: int
    fewest: int
    kept: Array | None
    places: NDArray[np.intp]

    def rows(self, columns: ArrayLike) -> Array:
        """The means (len(columns), resamples) of some columns, which must be finite."""
        assert self.kept is not None
        return self.kept[self.places[np.asarray(columns, dtype=np.intp)]]


def resample(
    values: ArrayLike,
    photos: ArrayLike,
    generator: np.random.Generator,
    strata: ArrayLike | None = None,
    resamples: int = RESAMPLES,
) -> Resampled:
    """Draw photos and take the means; arguments as of `intervals.mean_interval`.

    Besides the means it takes `BLOCK_BYTES` of memory, and the values once more.
    """
    return resample_tables([values], photos, generator, strata, resamples)[0]


def resample_tables(
    tables: Sequence[ArrayLike],
    photos: ArrayLike,
    generator: np.random.Generator,
    strata: ArrayLike | None = None,
    resamples: int = RESAMPLES,
) -> list[Resampled]:
    """`resample` of several tables of the same images, (N, K) each, all from the same draws.

    Each is bit for bit what it is alone. One table of all columns is not: BLAS multiplies a single
    column in another order than several.
    """
    finite = [np.isfinite(as_columns(values)).all(axis=0) for values in tables]
    sums = [
        sum_by_photo(as_columns(values)[:, columns], photos, strata)
        for values, columns in zip(tables, finite, strict=True)
    ]
    photo = photo_codes(photos)
    count, fewest = int(photo.max()) + 1, fewest_photos(photo, stratum_codes(strata, len(photo)))
    if count < 2 or not any(columns.any() for columns in finite):
        nowhere = [np.full(len(columns), -1) for columns in finite]
        return [Resampled(count, fewest, None, places) for places in nowhere]
    places = [np.where(columns, np.cumsum(columns) - 1, -1) for columns in finite]
    kept, first = [np.empty((columns.sum(), resamples)) for columns in finite], 0
    for draws in draw_blocks(count, generator, resamples):
        for means, of_table in zip(kept, sums, strict=True):
            means[:, first : first + len(draws)] = of_table.means(draws).T
        first += len(draws)
        del draws  # before the next are made
    return [
        Resampled(count, fewest, means if len(means) else None, of_table)
        for means, of_table in zip(kept, places, strict=True)
    ]


def column_blocks(columns: int, rows: int) -> list[slice]:
    """Columns in parts, so that an array (rows, part) of floats takes at most `BLOCK_BYTES`.

    The parts are of almost equal length: NumPy sums a single column in another order than several.
    """
    most = max(2, BLOCK_BYTES // (8 * max(rows, 1)))
    ends = np.linspace(0, columns, max(1, -(-columns // most)) + 1).astype(int).tolist()
    return [slice(first, end) for first, end in pairwise(ends)]


def as_columns(values: ArrayLike) -> Array:
    """Values (N, K) as they are; (N,) as one column."""
    values = np.asarray(values, dtype=float)
    return values[:, None] if values.ndim == 1 else values


def fewest_photos(photo: NDArray[np.intp], codes: NDArray[np.intp]) -> int:
    """The number of photos in the stratum that has the fewest. photo, codes: (N,) numbers of each
    image's photo and stratum."""
    return int(np.bincount(np.unique(np.stack([codes, photo]), axis=1)[0]).min())


def photo_codes(photos: ArrayLike) -> NDArray[np.intp]:
    """The number of each image's photo (N,), from 0, in the sorted order of the names."""
    return np.unique(np.asarray(photos, dtype=str), return_inverse=True)[1]


def stratum_codes(strata: ArrayLike | None, length: int) -> NDArray[np.intp]:
    """The number of each row's stratum (N,), from 0; all 0 if there are no strata."""
    if strata is None:
        return np.zeros(length, dtype=np.intp)
    return np.unique(np.asarray(strata, dtype=str), return_inverse=True)[1]
