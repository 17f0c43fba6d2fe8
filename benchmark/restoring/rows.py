"""The rows of a table of restored images: filled one by one, with a status for what failed."""

import traceback
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import pandas as pd
from tqdm import tqdm

from benchmark.core.errors import NotWritten, WeightsMissing, is_out_of_memory
from benchmark.results import schema
from benchmark.results.layout import RESTORED

if TYPE_CHECKING:
    from benchmark.restoring.dataset import Job


class Rows:
    """Fills the rows of images that are restored. both: columns of all that succeed."""

    def __init__(self, rows: list[dict], both: dict[str, Any]):
        self.rows, self.both = rows, both
        self.written: dict[int, tuple[dict[str, Any], Future]] = {}

    def failed(self, number: int, error: Exception) -> None:
        self.rows[number] |= failure_of(error)

    def restored(self, number: int, cost: dict[str, Any], file: Future) -> None:
        """file: of the columns of files, once the image is written."""
        self.written[number] = cost, file

    def collect(self, only_finished: bool = False) -> None:
        """Take over which images were written. Raises NotWritten, a failure of the disk, which
        would hit the other images too."""
        for number, (cost, file) in list(self.written.items()):
            if only_finished and not file.done():
                return
            del self.written[number]
            try:
                self.rows[number] |= {**cost, **file.result(), **self.both, "status": schema.OK}
            except NotWritten:
                raise
            except Exception as error:
                self.failed(number, error)


def row_of(job: "Job", image: Any) -> dict[str, Any]:
    """The names of an image's row."""
    return {
        "dataset": image.dataset,
        "weather": image.weather,
        "image": image.image,
        "method": job.label,
        "variant": job.variant,
        "seed": job.seed,
    }


def failed_rows(job: "Job", images: pd.DataFrame, error: Exception) -> pd.DataFrame:
    """The table of a method that could not start: each image has the error as its reason."""
    failure = failure_of(error)
    rows = [row_of(job, image) | failure for image in images.itertuples()]
    return pd.DataFrame(rows, columns=list(RESTORED))


def status_of(error: Exception) -> str:
    """The status for an error: weights missing, timed out, out of memory, or failed."""
    if isinstance(error, WeightsMissing):
        return schema.WEIGHTS_MISSING
    if isinstance(error, TimeoutError):
        return schema.TIMED_OUT
    return schema.OUT_OF_MEMORY if is_out_of_memory(error) else schema.FAILED


def failure_of(error: Exception) -> dict[str, str]:
    """Status and reason of an error; prints the traceback to the job's log."""
    tqdm.write("".join(traceback.format_exception(error)))
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    return {"status": status_of(error), "reason": reason[:300]}
