"""A training in several processes, one for each GPU."""

import os
import tempfile
from pathlib import Path
from typing import Any

from torch.distributed import run
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

from benchmark.core.errors import UserError
from benchmark.core.json_io import read_json
from benchmark.jobs.isolation import Failure, failure, out_of_memory_kills
from benchmark.jobs.ranks import LAUNCHER, RESULT
from benchmark.results import schema


def launch(processes: int, arguments: list[str]) -> dict[str, Any] | Failure:
    """Start the command line with `arguments` as several processes; returns what they `report`.

    When one of them has failed, the others are ended. Raises UserError if a process ends with one,
    which it has printed.
    """
    kills = out_of_memory_kills()
    with tempfile.TemporaryDirectory() as scratch:
        result = Path(scratch) / "result.json"
        os.environ[RESULT], os.environ[LAUNCHER] = str(result), str(os.getpid())
        try:
            run.main([f"--nproc_per_node={processes}", "-m", "benchmark", *arguments])
        except ChildFailedError as error:
            if any(process.exitcode == 1 for process in error.failures.values()):
                raise UserError("A process of the training ended; its error is above.") from None
            if not result.exists():
                _, first = error.get_first_failure()
                return failure(first.exitcode, out_of_memory_kills() > kills)
        given = read_json(result)
        return given if given["status"] == schema.OK else Failure(**given)
