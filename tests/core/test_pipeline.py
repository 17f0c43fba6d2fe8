"""Threads that read ahead and write behind: order, bounds, faults."""

import os
import sys
import threading
from contextlib import closing

import pytest

from benchmark.core.pipeline import LOWEST, Behind, ahead


def test_results_come_in_order_and_faults_stay_with_their_item():
    def half(number):
        if number % 2:
            raise ValueError(f"{number} is odd")
        return number // 2

    found = list(ahead(half, range(5), 2, 3))
    assert [item for item, _ in found] == [0, 1, 2, 3, 4]
    assert [f.result() for item, f in found if not item % 2] == [0, 1, 2]
    assert [str(f.exception()) for item, f in found if item % 2] == ["1 is odd", "3 is odd"]


def test_no_more_is_read_ahead_than_allowed():
    started = []
    with closing(ahead(started.append, range(100), 1, 4)) as reading:
        _, first = next(reading)
        first.result()
        assert set(started) <= {0, 1, 2, 3}
    assert len(started) < 10  # what was not started is given up


def test_writing_waits_while_too_much_is_not_written():
    gate, done = threading.Event(), []
    with Behind(1, 2) as writing:
        for number in range(2):
            writing.submit(lambda n: (gate.wait(), done.append(n)), number)
        third = threading.Thread(target=writing.submit, args=(done.append, 2))
        third.start()
        third.join(0.05)
        assert third.is_alive() and not done
        gate.set()
        third.join()
    assert done == [0, 1, 2]


@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities on Linux")
def test_the_threads_have_the_lowest_priority_and_computing_keeps_its_own():
    def own():
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = own()
    with Behind(1, 1) as writing:
        assert writing.submit(own).result() == LOWEST
    assert own() == before
