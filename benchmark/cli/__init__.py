"""The command line, `python -m benchmark VERB`. Each verb imports only what it needs."""

import sys

from benchmark.cli import data, plan, tools, workflow  # noqa: F401  (they register their verbs)
from benchmark.cli.app import app
from benchmark.errors import UserError


def main() -> None:
    """Run the command line; a UserError is printed without a traceback and exits with 1."""
    try:
        app()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
