"""Which images are restored in one call, in which order, and which of the calls are timed.

On a CPU images are restored one by one, in the order of the table. On a GPU the images of one size
come together: some alone, to be timed, and the others in batches.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

TIMED = 10  # images of each size that a GPU restores alone and timed, after the first
LARGEST_BATCH = 64
Size = tuple[int, int]


@dataclass(frozen=True)
class Unit:
    """Images that are restored in one call.

    images: their numbers in the table. size: (height, width) of each; None if the file could not be
    read. timed: whether the call is timed. again: whether an untimed call with the same image comes
    before it.
    """

    images: tuple[int, ...]
    size: Size | None
    timed: bool = False
    again: bool = False


def one_by_one(sizes: Sequence[Size | None]) -> list[Unit]:
    """The images in their order; the first of each size is not timed, but a warm-up.

    An image that is alone of its size is restored twice.
    """
    count, seen, units = Counter(sizes), set(), []
    for number, size in enumerate(sizes):
        alone = count[size] == 1
        units.append(Unit((number,), size, timed=alone or size in seen, again=alone))
        seen.add(size)
    return units


def in_batches(sizes: Sequence[Size | None], batch: Callable[[Size], int]) -> list[Unit]:
    """The images of each size together: a warm-up, `TIMED` alone, the others in batches.

    batch: the number of images of a size that fit into a batch. Files that cannot be read are
    alone.
    """
    units = []
    for size in dict.fromkeys(sizes):
        numbers = [number for number, other in enumerate(sizes) if other == size]
        single = numbers if size is None else numbers[: 1 + TIMED]
        alone = len(single) == 1
        units += [
            Unit((number,), size, timed=alone or place > 0, again=alone)
            for place, number in enumerate(single)
        ]
        rest = numbers[len(single) :]
        most = max(1, min(LARGEST_BATCH, batch(size))) if rest else 1
        units += [
            Unit(tuple(rest[first : first + most]), size) for first in range(0, len(rest), most)
        ]
    return units
