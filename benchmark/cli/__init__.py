"""The command line, `python -m benchmark VERB`: one file a group of verbs.

It imports every other room, each verb only what it needs.
"""

import atexit
import gc
import sys

from benchmark.cli import (  # noqa: F401  (they register their verbs)
    catalogue,
    data,
    new_method,
    photos,
    plan,
    runs,
    tools,
    workflow,
)
from benchmark.cli.app import app
from benchmark.cli.examples import add_examples
from benchmark.core.errors import UserError
from benchmark.jobs import workflow_lock


def main() -> None:
    """Run the command line; an error of the user's or of the disk is printed without a traceback
    and exits with 1.

    Other exit codes: 2 for wrong usage, 130 for Ctrl-C.
    """
    # Most of a short verb's time is torch's import and its undoing at the end. Looking for garbage
    # less often, and not at all at the end, takes a third off that.
    gc.set_threshold(20_000)
    atexit.register(gc.freeze)
    workflow_lock.hold()
    add_examples(app)
    try:
        app()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        print(f"error: {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        sys.exit(1)
