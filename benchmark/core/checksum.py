"""The checksum that identifies a file's content."""

import hashlib
from pathlib import Path


def checksum(path: str | Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal. Raises OSError if it cannot be read."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
