"""The order in which images are restored, and which calls are timed."""

from benchmark.restoring import units
from benchmark.restoring.units import Unit, in_batches, one_by_one

A, B, C = (4, 6), (8, 6), (5, 5)


def test_one_by_one_keeps_the_order_and_warms_up_at_each_size():
    assert one_by_one([A, B, A, A, C]) == [
        Unit((0,), A),
        Unit((1,), B, timed=True, again=True),  # alone of its size: restored twice
        Unit((2,), A, timed=True),
        Unit((3,), A, timed=True),
        Unit((4,), C, timed=True, again=True),
    ]


def test_batches_have_one_size_and_come_after_the_timed_ones(monkeypatch):
    monkeypatch.setattr(units, "TIMED", 2)
    sizes = [A, B, A, A, None, B, A, A, A, A, A, None]
    found = in_batches(sizes, lambda size: 3)
    assert found[:5] == [
        Unit((0,), A),
        Unit((2,), A, timed=True),
        Unit((3,), A, timed=True),
        Unit((6, 7, 8), A),
        Unit((9, 10), A),
    ]
    assert found[5:7] == [Unit((1,), B), Unit((5,), B, timed=True)]
    assert [unit.images for unit in found[7:]] == [(4,), (11,)]  # unreadable
    everything = sorted(number for unit in found for number in unit.images)
    assert everything == list(range(len(sizes)))


def test_a_batch_is_at_least_one_and_at_most_the_largest(monkeypatch):
    monkeypatch.setattr(units, "TIMED", 0)
    for fits, length in ((0, 1), (10**6, units.LARGEST_BATCH)):
        found = in_batches([A] * (2 + units.LARGEST_BATCH), lambda _, fits=fits: fits)
        assert len(found[1].images) == length
