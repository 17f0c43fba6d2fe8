"""A training in several processes, one for each GPU."""

import os
import tempfile
from pathlib import Path
from typing import Any

from accelerate import PartialState
from torch.distributed import run
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

from benchmark.core.errors import UserError
from benchmark.core.json_io import read_json, write_json
from benchmark.jobs.isolation import Failure, failure

RESULT = "UNWEATHER_RESULT"  # where the main process writes the content of training.json


def launch(processes: int, arguments: list[str]) -> dict[str, Any] | Failure:
    """Start the command line with `arguments` as several processes; returns what they `report`.

    Raises UserError if a process ends with one, which it has printed.
    """
    with tempfile.TemporaryDirectory() as scratch:
        os.environ[RESULT] = str(Path(scratch) / "result.json")
        try:
            run.main([f"--nproc_per_node={processes}", "-m", "benchmark", *arguments])
        except ChildFailedError as error:
            _, first = error.get_first_failure()
            if first.exitcode == 1:
                raise UserError("A process of the training ended; its error is above.") from None
            return failure(first.exitcode)
        return read_json(Path(os.environ[RESULT]))


def report(result: dict[str, Any]) -> None:
    """Give the result of a launched training back; all processes call it."""
    if PartialState().is_main_process:
        write_json(os.environ[RESULT], result)
