"""What a run takes from the machine when it starts, and keeps: device, threads, processes.

It is recorded in `results/NAME/resolved.json` and part of the identity of trainings and restorings:
a network trained by two threads differs from one trained by one in the last bits. A later start on
another machine, or on a busy one, goes on with what is recorded.
"""

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from benchmark.core.errors import UserError
from benchmark.core.json_io import read_json, write_json
from benchmark.core.validation import parse
from benchmark.results.layout import RunFolder


class Resolved(BaseModel):
    """None where each job takes what its node gives, as on a cluster.

    bf16: whether the device has native arithmetic of bfloat16. threads: of restoring, on a CPU.
    processes: of each training. gpus: of the machine, of which each job takes what it needs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: Literal["cpu", "cuda"] | None = None
    bf16: bool | None = None
    threads: int | None = Field(default=None, ge=1)
    processes: int = Field(default=1, ge=1)
    gpus: int | None = Field(default=None, ge=0)


def recorded(run: RunFolder) -> Resolved | None:
    """What the run has recorded, or None. Raises UserError if the file is damaged."""
    if not run.resolved.exists():
        return None
    remedy = "delete it: the run then starts from its trainings again"
    return parse(Resolved, read_json(run.resolved, remedy), str(run.resolved), remedy)


def resolve(run: RunFolder, cores: int | None, processes: int | None = None) -> Resolved:
    """What the run has recorded; at its first start it is found out and recorded.

    cores: of this machine that the run uses, or None if its jobs run on the nodes of a cluster.
    processes: of each training; None for those recorded, or 1.
    """
    known = recorded(run)
    if known and processes in (None, known.processes):
        return known
    found = known or (Resolved() if cores is None else _of_this_machine(cores))
    found = found.model_copy(update={"processes": processes or 1})
    write_json(run.resolved, found.model_dump(mode="json"))
    return found


def threads_here() -> int:
    """The threads that a process uses here: OMP_NUM_THREADS, or else one for each core."""
    named = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    return max(1, int(named)) if named.isdecimal() else os.cpu_count() or 1


def apply(resolved: Resolved, where: Path) -> None:
    """Let this process compute as recorded. where: the record, for the message.

    Raises UserError if the run was started on a GPU and there is none, or where bfloat16 is native
    and here it is not, or the other way round.
    """
    from benchmark.core.device import set_threads

    if resolved.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    here = _of_this_machine(resolved.threads)
    for name in ("device", "bf16"):
        then, now = getattr(resolved, name), getattr(here, name)
        if then not in (None, now):
            raise UserError(
                f"{where}: {name}: the run was started with {then}, and this machine has {now}. "
                "Continue on a machine of the first kind, or give the configuration another 'name'."
            )
    if resolved.threads:
        set_threads(resolved.threads)


def _of_this_machine(cores: int | None) -> Resolved:
    import torch

    from benchmark.core.device import native_bf16

    kind = "cuda" if torch.cuda.is_available() else "cpu"
    bf16, gpus = native_bf16(torch.device(kind)), torch.cuda.device_count() or None
    return Resolved(device=kind, bf16=bf16, threads=cores, gpus=gpus)
