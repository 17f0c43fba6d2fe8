"""Work in a fork of the test process: it starts in milliseconds, where Python takes a second."""

import os
import traceback
from collections.abc import Callable

import psutil

from benchmark.core import atomic


def forked(work: Callable[[], None]) -> psutil.Process:
    """Start `work` in a forked process, the first of its own process group and session.

    Its exit status is that of a Python program which calls `work`. As in a new process, the folders
    into which it writes are swept once.
    """
    pid = os.fork()
    if pid:
        return psutil.Process(pid)
    status = 70
    try:
        os.setsid()
        atomic._sweep.cache_clear()
        work()
        status = 0
    except SystemExit as leaving:
        status = leaving.code
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)
