"""What a process of a launched training does besides its work. It imports no torch."""

import os
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmark.core.json_io import write_json
from benchmark.jobs.isolation import Failure

RESULT = "UNWEATHER_RESULT"  # the file for the content of training.json
LAUNCHER = "UNWEATHER_LAUNCHER"  # the number of the process that launched this one
FAILED = 70  # exit status of a process that has reported a failure (EX_SOFTWARE of sysexits.h)


def is_launched() -> bool:
    """Whether this is one of the processes of a launched training."""
    return "WORLD_SIZE" in os.environ


def end_with_launcher(seconds: float = 1) -> None:
    """From now on, end this process when its launcher has ended, even if that was killed.

    It would wait for the others, or go on without anyone to take its result. seconds: between two
    looks at the launcher.
    """
    launcher = int(os.environ[LAUNCHER])

    def watch() -> None:
        while os.getppid() == launcher:
            time.sleep(seconds)
        os._exit(FAILED)

    threading.Thread(target=watch, daemon=True).start()


def report(result: dict[str, Any] | Failure) -> None:
    """Give the result of a training back: that of the first process, or a failure of any.

    The failure that is reported first stays: the others may fail because of it, when their
    connection breaks. A process that failed ends here and at once, for the others may wait for it.
    """
    failed = isinstance(result, Failure)
    if failed or os.environ["RANK"] == "0":
        file = Path(os.environ[RESULT])
        own = file.with_name(f"{os.getpid()}.json")
        write_json(own, asdict(result) if failed else result)
        with suppress(FileExistsError):
            os.link(own, file)
    if failed:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(FAILED)
