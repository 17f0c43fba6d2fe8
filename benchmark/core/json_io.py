"""Reading JSON, with errors that say which file is at fault and what to do."""

import json
from pathlib import Path
from typing import Any

from benchmark.core.atomic import write_text
from benchmark.core.reading import read_text, reading

MOST_LEVELS = 50
AGAIN = "collect the run again"


def read_json(path: Path, remedy: str = AGAIN) -> Any:
    """The content of a JSON file.

    Raises UserError with the file's name and the remedy if it is missing, unreadable or not JSON.
    """
    with reading(path, "valid JSON", remedy):
        return loads(read_text(path))


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as JSON, atomically: UTF-8, one space of indent, a newline at the end."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def loads(text: str) -> Any:
    """The value of a JSON text; ValueError or RecursionError if it is not JSON.

    ValueError too for values in more than MOST_LEVELS lists or objects: they cannot be shown.
    """
    value = json.loads(text)
    refuse_lone_surrogates(value)
    level, depth = [value], 0
    while level := [
        inner
        for part in level
        if isinstance(part, (dict, list))
        for inner in (part.values() if isinstance(part, dict) else part)
    ]:
        depth += 1
        if depth > MOST_LEVELS:
            raise ValueError(f"values are nested more than {MOST_LEVELS} deep")
    return value


def refuse_lone_surrogates(value: Any) -> None:
    """Raise UnicodeEncodeError if a text in `value` has half of a Unicode character.

    An escape in JSON or YAML can stand for one, but no file or terminal takes it.
    """
    waiting, seen = [value], set()  # with aliases, YAML may name one part a million times
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            part.encode("utf-8")
        elif isinstance(part, (dict, list)) and id(part) not in seen:
            seen.add(id(part))
            waiting += part
            waiting += part.values() if isinstance(part, dict) else ()
