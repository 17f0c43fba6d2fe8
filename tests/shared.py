"""The folder of reference values that is not part of the repository; tests skip without it."""

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("UNWEATHER_SHARED", Path(__file__).parents[2] / "shared"))


def shared(path: str) -> Path:
    """A file or folder below the shared folder; the test is skipped, saying so, without it."""
    if not (SHARED / path).exists():
        pytest.skip(f"reference data {path} is not here (set UNWEATHER_SHARED)")
    return SHARED / path
