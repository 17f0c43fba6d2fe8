"""Stand-ins for classes of other programs: a checkpoint is read without them and their code.

torch's unpickler (`weights_only=True`) refuses names that it does not know. Under such a name it is
given one of these, which take what the file gives them and do nothing.
"""

from collections import OrderedDict
from typing import Any


class LeftOut:
    """For objects whose state is no dict, such as NumPy's numbers and arrays."""

    def __init__(self, *_: Any, **__: Any):
        pass

    def __setstate__(self, state: Any) -> None:
        pass


class Elements(list):
    """For lists."""

    def __init__(self, *_: Any, **__: Any):
        super().__init__()


class Attributes:
    """For all others: each becomes an OrderedDict.

    torch's unpickler adds items to it, and an object's attributes to its `__dict__`. A
    `torch.nn.Module` that was saved whole has its weights there.
    """

    def __new__(cls, *_: Any, **__: Any) -> OrderedDict:
        return OrderedDict()


NUMBERS = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar", "numpy.dtype")
_SPECIAL = {
    **dict.fromkeys(NUMBERS, LeftOut),
    "numpy.core.multiarray._reconstruct": LeftOut,
    "numpy._core.multiarray._reconstruct": LeftOut,
    "functools.partial": LeftOut,
    "collections.deque": Elements,
}


def stand_in(name: str) -> tuple[type, str]:
    """For the class or function of this full name: what `torch.serialization` takes as trusted."""
    return _SPECIAL.get(name, Attributes), name
