"""Exchanges two files or folders in one step, where the operating system can do that."""

import ctypes
import errno
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

AT_FDCWD = -100  # linux/fcntl.h: relative paths start at the working directory
RENAME_EXCHANGE = 2  # linux/fs.h
RENAME_SWAP = 2  # macOS, sys/stdio.h
NOT_SUPPORTED = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}


def swap(one: Path, other: Path) -> bool:
    """Exchange what two paths name, atomically: both exist before and after, at every moment.

    Uses renameat2(2) with RENAME_EXCHANGE on Linux and renamex_np(2) with RENAME_SWAP on macOS.
    Returns False, and changes nothing, if the system or the file system has no such call. Raises
    OSError for any other failure, e.g. if one of the paths does not exist.
    """
    call = _system_call()
    if call is None:
        return False
    if call(os.fsencode(one), os.fsencode(other)) == 0:
        return True
    code = ctypes.get_errno()
    if code in NOT_SUPPORTED:
        return False
    raise OSError(code, os.strerror(code), str(other))


@cache
def _system_call() -> Callable[[bytes, bytes], int] | None:
    """The system's exchange of two paths; it returns 0 if it worked. None if there is none."""
    library = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "linux" and hasattr(library, "renameat2"):
        path, number, flags = ctypes.c_char_p, ctypes.c_int, ctypes.c_uint
        library.renameat2.argtypes = (number, path, number, path, flags)
        return lambda one, other: library.renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE)
    if sys.platform == "darwin" and hasattr(library, "renamex_np"):
        library.renamex_np.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_uint)
        return lambda one, other: library.renamex_np(one, other, RENAME_SWAP)
    return None
