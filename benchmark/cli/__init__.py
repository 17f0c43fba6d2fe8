"""The command line, `python -m benchmark VERB`. Each verb imports only what it needs."""

import sys

from benchmark import work_lock
from benchmark.cli import data, tools, workflow  # noqa: F401  (they register their verbs)
from benchmark.cli.app import app
from benchmark.errors import UserError


def main() -> None:
    """Run the command line; an error of the user's or of the disk is printed without a traceback
    and exits with 1."""
    work_lock.hold()
    try:
        app()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        print(f"error: {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        sys.exit(1)
