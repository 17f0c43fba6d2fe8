"""Work in threads before and behind the computing: images are decoded ahead and written behind."""

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from typing import Any, TypeVar

Item = TypeVar("Item")
LOWEST = 19  # the niceness of a thread that computes only where nothing else does


def ahead(
    work: Callable[[Item], Any], items: Iterable[Item], threads: int, most: int
) -> Iterator[tuple[Item, Future]]:
    """Each item with the future of `work(item)`, in order.

    At most `most` results wait or are being made, besides the one that was given out last.
    """
    left, waiting = iter(items), deque()
    pool = ThreadPoolExecutor(threads, "decode", yield_to_computing)
    try:
        while True:
            for item in islice(left, most - len(waiting)):
                waiting.append((item, pool.submit(work, item)))
            if not waiting:
                return
            yield waiting.popleft()
    finally:
        for _, future in waiting:  # of a caller that has stopped
            future.cancel()
        pool.shutdown()


class Behind:
    """Runs work in threads; a call waits while `most` calls before it are not done.

    Used in a `with` statement, whose end waits for all work.
    """

    def __init__(self, threads: int, most: int):
        self._pool = ThreadPoolExecutor(threads, "write", yield_to_computing)
        self._places = threading.Semaphore(most)

    def __enter__(self) -> "Behind":
        return self

    def __exit__(self, *error) -> None:
        self._pool.shutdown()

    def submit(self, work: Callable[..., Any], *args: Any) -> Future:
        """The future of `work(*args)`."""
        self._places.acquire()
        future = self._pool.submit(work, *args)
        future.add_done_callback(lambda _: self._places.release())
        return future


def yield_to_computing() -> None:
    """Give this thread the lowest priority, so that what runs beside it is hardly slowed.

    Run times are measured while these threads work. Linux has priorities of threads; elsewhere
    nothing is done.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST)
