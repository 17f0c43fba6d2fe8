"""Reference data that are not part of the repository. Tests that need them are skipped without."""

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("UNWEATHER_SHARED", Path(__file__).parents[2] / "shared"))


def shared(path: str) -> Path:
    """A file or folder of the reference data. The test is skipped, with the reason, without it."""
    if not (SHARED / path).exists():
        pytest.skip(f"{path} of the reference data is missing (UNWEATHER_SHARED names the folder)")
    return SHARED / path
