"""The command line, `python -m benchmark VERB`: one file a group of verbs.

It imports every other room. Each verb imports only what it needs, when it is called.
"""

import atexit
import gc
import sys

# They register their verbs, in the order of the help.
# isort: off
from benchmark.cli import (  # noqa: F401
    data,
    photos,
    run,
    runs,
    tools,
    workflow_setup,
    workflow,
    workflow_board,
)

# isort: on
from benchmark.cli.app import Facts, app
from benchmark.core.environment import exit_without_package, keep_caches
from benchmark.core.errors import UserError
from benchmark.jobs import workflow_lock


def main() -> None:
    """Run the command line.

    Exit codes: 1 for an error of the user or the disk, which is printed without a traceback; 2 for
    wrong usage; 130 for Ctrl-C.
    """
    # Short verbs spend most of their time on importing torch and freeing it at the end. With fewer
    # garbage collections, and none at the end, that takes a third less.
    gc.set_threshold(20_000)
    atexit.register(gc.freeze)
    try:
        app(obj=_enter_project)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except ModuleNotFoundError as error:
        exit_without_package(error)
    except OSError as error:
        print(f"error: {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        sys.exit(1)


def _enter_project(facts: Facts) -> None:
    """Hold the lock of the project if the verb needs it, and let libraries keep their caches there.

    For the process of a verb, once the options before the verb have said which project it is.
    """
    from benchmark.core import paths  # fixes the project: no module may import it before

    keep_caches(paths.ROOT / ".cache" / "libraries")
    if facts.lock:
        workflow_lock.acquire(paths.ROOT / workflow_lock.FOLDER)
