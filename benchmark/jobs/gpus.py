"""Gives each job on a machine with several GPUs its own, by CUDA_VISIBLE_DEVICES.

Snakemake counts GPUs (`resources: gpu: N` in the profile), but does not say which of them a job
has. So a job takes the first that are free: a lock on a file for each GPU, which Linux gives up
when the job has ended, however it ends. It imports no torch, which must see the variable first.
"""

import fcntl
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from benchmark.core.errors import UserError

VISIBLE = "CUDA_VISIBLE_DEVICES"
PROFILE = "workflow/profiles/default/config.yaml"


def visible(count: int) -> list[str]:
    """The names of the GPUs that this process may use, of a machine with `count`."""
    named = os.environ.get(VISIBLE)
    if named is None:
        return [str(number) for number in range(count)]
    return [name.strip() for name in named.split(",") if name.strip()]


def check_limit(limit: int | None, processes: int, count: int | None) -> str | None:
    """A message if the profile leaves GPUs of this machine unused, else None.

    limit: the GPUs that the workflow may use; None for no limit. processes: of each training.
    count: GPUs of the machine; None if not known. Raises UserError if a training needs more than
    the limit: Snakemake would start it on fewer, and other jobs beside it.
    """
    if limit is not None and processes > limit:
        raise UserError(
            f"A training has {processes} processes, one for each GPU, and the workflow may use "
            f"{limit}. Write 'gpu: {processes}' or more below 'resources:' in {PROFILE}, or give "
            "--resources gpu=N."
        )
    if limit is not None and count is not None and count > limit:
        return (
            f"This machine has {count} GPUs, and the workflow uses {limit}: write 'gpu: {count}' "
            f"below 'resources:' in {PROFILE} to use all."
        )
    return None


@contextmanager
def taken(
    count: int, names: Sequence[str], folder: Path | None = None, seconds: float = 1
) -> Iterator[list[str]]:
    """Take `count` of the named GPUs, and let processes started inside see no others.

    Waits until they are free. folder: of the locks; those of a user are in the folder for temporary
    files. seconds: between two looks. Raises UserError if there are not so many.
    """
    if count > len(names):
        raise UserError(
            f"The training has {count} processes, one for each GPU, and there are {len(names)} "
            "GPUs. Choose fewer with --processes."
        )
    folder = folder or Path(tempfile.gettempdir()) / f"unweather-gpus-{os.getuid()}"
    folder.mkdir(parents=True, exist_ok=True)
    before = os.environ.get(VISIBLE)
    with ExitStack() as locks:
        free = _lock(count, names, folder, locks)
        if not free:
            print(f"waiting for {count} of the GPUs {', '.join(names)}", file=sys.stderr)
        while not free:
            time.sleep(seconds)
            free = _lock(count, names, folder, locks)
        os.environ[VISIBLE] = ",".join(free)
        try:
            yield free
        finally:
            del os.environ[VISIBLE]
            if before is not None:
                os.environ[VISIBLE] = before


def _lock(count: int, names: Sequence[str], folder: Path, locks: ExitStack) -> list[str]:
    """Lock `count` GPUs, or none: jobs that hold some and wait for others could wait for ever."""
    found: dict[str, IO] = {}
    for name in names:
        if len(found) == count:
            break
        file = (folder / f"{name.replace('/', '_')}.lock").open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found[name] = file
        except BlockingIOError:
            file.close()
    if len(found) < count:
        for file in found.values():
            file.close()
        return []
    for file in found.values():
        locks.enter_context(file)
    return list(found)
