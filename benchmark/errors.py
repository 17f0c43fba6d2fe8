"""The one error that is meant for the user's eyes."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """Something the user can mend. The message names the file or key at fault and says what to do.

    The command line prints it without a traceback and exits with status 1.
    """


class WeightsMissing(UserError):
    """A method or metric needs a weight file that is not there."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for a misspelt name: ' Did you mean ...?' and the known names."""
    known = sorted(known)
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    return f"{hint} Known: {', '.join(known) or 'none'}."
