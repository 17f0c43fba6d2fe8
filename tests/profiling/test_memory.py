"""The memory of sampling beside the image: that of the tiles, whatever the size of the image."""

import pytest

from benchmark.core.errors import UserError
from benchmark.profiling import memory
from benchmark.spec.method import Settings
from tests.profiling.test_profiling import make_method


def test_memory_of_sampling_is_that_of_tiles():
    """Twice the side, four times the pixels, the same memory beside the image's own buffers."""
    assert memory.memory_ratio(make_method(), (256, 512)) == pytest.approx(1, abs=0.01)


def test_memory_that_grows_with_the_image_shows():
    class Hoarder(type(make_method())):
        def restore(self, degraded, variant, generators):
            rows = [row.clone() for row in degraded[0, 0]]  # each smaller than the image
            return super().restore(degraded, variant, generators) + rows[0].mean()

    method = Hoarder(make_method().parameters)
    assert memory.memory_ratio(method, (128, 256)) > 1.2


def test_a_method_without_tiles_is_named():
    class Whole(type(make_method())):
        Variant = Settings

    with pytest.raises(UserError, match="sampling_memory_ratio: unknown key 'tile'"):
        memory.memory_ratio(Whole(make_method().parameters), (64, 128))
