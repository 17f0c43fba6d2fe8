"""What differs between two nested values, in words."""

import json
import re
from collections.abc import Iterator
from typing import Any

LONGEST = 60  # characters of a value in a message
DIGEST = re.compile("[0-9a-f]{64}")


def differences(old: Any, new: Any, name: str = "") -> Iterator[str]:
    """One text for each difference of two JSON values: `settings.steps: 500 → 600`.

    name: of the value. Of checksums, it only says that they changed.
    """
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            inner = f"{name}.{key}" if name else key
            yield from differences(old.get(key), new.get(key), inner)
    elif _is_digest(old) or _is_digest(new):
        yield f"{name} changed"
    else:
        yield f"{name}: {_short(old)} → {_short(new)}"


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and bool(DIGEST.fullmatch(value))


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
