"""The C library's memory: whether a process keeps what it has freed.

A network's evaluation makes and frees large tensors in each layer. By default glibc gives their
memory back to the system and asks for it again, and the system fills each page with zeros before
the next use: that was a quarter of the time of an evaluation (docs/choices.md, "Freed memory").
"""

import ctypes
from functools import cache

# Of glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST_BLOCK = 2**25  # glibc allows no more; larger blocks go back to the system
MOST_KEPT = 2**31 - 1


def keep_freed_memory() -> None:
    """Keep freed blocks of up to 32 MiB for the next ones, at most 2 GiB at the end of the heap.

    The results are the same bits. Nothing is done where the C library is not glibc.
    """
    if function := _of_glibc("mallopt"):
        function(M_MMAP_THRESHOLD, LARGEST_BLOCK)
        function(M_TRIM_THRESHOLD, MOST_KEPT)


def give_back_freed_memory() -> None:
    """Give what is kept back to the system, so that it does not count as memory in use."""
    if function := _of_glibc("malloc_trim"):
        function(0)


@cache
def _of_glibc(name: str):
    """A function of the C library, or None if it does not have it."""
    try:
        return getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):  # TypeError: on Windows
        return None
