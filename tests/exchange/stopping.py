"""Watches a call at each of its changes of files, and stops it there."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink", "os.chmod"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_action: Callable[[str], None] | None = None


def _audit(event: str, arguments: tuple) -> None:
    global _action
    opens = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING
    if _action and (opens or event in CHANGES):
        action, _action = _action, None  # what it does itself does not count
        action(event)
        _action = action


sys.addaudithook(_audit)  # Python has no way to remove it


@contextmanager
def before_each_change(action: Callable[[str], None]) -> Iterator[None]:
    """Call `action` with the audit event before each change of a file inside the block.

    The files are then as a kill at that moment leaves them.
    """
    global _action
    _action = action
    try:
        yield
    finally:
        _action = None


def interrupted(call: Callable[[], object], number: int) -> bool:
    """Raise KeyboardInterrupt before rename or link `number` of `call`; False if it has fewer."""
    count = 0

    def interrupt(event):
        nonlocal count
        count += event in ("os.rename", "os.symlink")
        if count == number:
            raise KeyboardInterrupt

    try:
        with before_each_change(interrupt):
            call()
    except KeyboardInterrupt:
        return True
    return False
