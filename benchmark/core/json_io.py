"""Reading JSON files, with errors that say which file is at fault and what to do."""

import json
from pathlib import Path
from typing import Any

from benchmark.core.atomic import write_text
from benchmark.core.errors import UserError

AGAIN = "collect the run again"


def read_json(path: Path, remedy: str = AGAIN) -> Any:
    """A JSON file's content. Raises UserError naming the file when it is missing or malformed."""
    try:
        return loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing; {remedy}.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); {remedy}.") from error
    # Recursion: thousands of brackets in each other. Value: JSON's and UTF-8's own errors, a number
    # of thousands of digits.
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid JSON ({error}); {remedy}.") from error


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as JSON, atomically: UTF-8, one space of indent, a newline at the end."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def loads(text: str) -> Any:
    """What a JSON text holds; ValueError or RecursionError if it is none."""
    value = json.loads(text)
    refuse_half_characters(value)
    return value


def refuse_half_characters(value: Any) -> None:
    """UnicodeEncodeError if a text in `value` has half of a Unicode character, which an escape may
    stand for and no file or terminal takes."""
    waiting, seen = [value], set()  # YAML's aliases may name one part a million times
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            part.encode("utf-8")
        elif isinstance(part, (dict, list)) and id(part) not in seen:
            seen.add(id(part))
            waiting += part
            waiting += part.values() if isinstance(part, dict) else ()
