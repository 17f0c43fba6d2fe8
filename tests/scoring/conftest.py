"""Metrics whose weight files are in a test's own folder."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.scoring.metrics import choice


@pytest.fixture
def weights_in(monkeypatch) -> Callable[[Path], None]:
    """Lets all metrics that protocols choose read their weight files from a folder."""

    def read_from(folder: Path) -> None:
        for name in ("METRICS", "SET_METRICS"):
            moved = tuple(
                replace(metric, weights=metric.weights and folder / metric.weights.name)
                for metric in getattr(choice, name)
            )
            monkeypatch.setattr(choice, name, moved)

    return read_from
