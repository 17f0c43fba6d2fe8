"""The checksum that identifies a file's content."""

import hashlib
import json
from pathlib import Path
from typing import Any


def checksum(path: str | Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal. Raises OSError if it cannot be read."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def json_digest(value: Any) -> str:
    """SHA-256 of a JSON value; the order of keys does not count."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
