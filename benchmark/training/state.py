"""The state of a training: saved in a checkpoint, loaded from it; the curve as a file."""

import csv
import math
import zipfile
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from benchmark.core.atomic import atomic_path
from benchmark.core.checksum import json_digest
from benchmark.core.differences import differences

# Step, mean loss since the row before, learning rate, seconds of all steps so far.
Row = list[float]


class TrainingState:
    """Everything that a checkpoint holds.

    parts: by name, the objects with a `state_dict`: network, average, optimizer, schedule, and for
    fp16 the scaler. step: gradient steps done. seconds: of all steps done. curve: its last row is
    of `step`. identity: what decides the weights, as JSON values; a checkpoint of another one is
    not continued.
    """

    def __init__(self, **parts: Any):
        self.parts = parts
        self.step, self.seconds, self.identity = 0, 0.0, {}
        self.curve: list[Row] = []

    def record(self, losses: list[float], seconds: float) -> None:
        """Count steps by their losses. seconds: of all steps so far.

        Raises FloatingPointError if a loss is not finite.
        """
        for loss in losses:
            self.step += 1
            if not math.isfinite(loss):
                raise FloatingPointError(f"the training loss is {loss} at step {self.step}")
        self.seconds = seconds
        rate = self.parts["schedule"].get_last_lr()[0]
        self.curve.append([self.step, sum(losses) / len(losses), rate, round(seconds, 2)])

    def save(self, path: Path, identity: dict[str, Any] | None = None) -> None:
        """Write a checkpoint, atomically. identity: what decides this state; the own if None."""
        state = {name: part.state_dict() for name, part in self.parts.items()}
        state |= {k: getattr(self, k) for k in ("step", "seconds", "curve")}
        state["identity"] = identity or self.identity
        # torch gets an open file: then an error has the operating system's message.
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            torch.save(state, file)

    def branch_off(self, path: Path, identity: dict[str, Any], latest: int) -> None:
        """Load a state that was kept at `path` for longer trainings, if there is one.

        identity: what decides that state. latest: a state after this step is not used.
        """
        own = self.identity
        if not path.exists():
            return
        with suppress(Exception):  # `resume` says that it is damaged
            if (step := _read(path)["step"]) > latest:
                _say_unused(f"{path} is of step {step}, in the decay of this training")
                return
        self.resume(path, identity)
        self.identity = own

    def resume(self, path: Path, identity: dict[str, Any]) -> None:
        """Load the checkpoint at `path`, if there is one.

        A checkpoint that is damaged, has another `identity` or does not fit is not used: a message
        says so, and the training starts at step 0.
        """
        self.identity = identity
        if not path.exists():
            _say_what_is_set_aside(path, identity)
            return
        try:
            state = _read(path)
            saved_identity = state["identity"]
            json_digest(saved_identity)  # raises for what is not JSON, as the message needs it
        except Exception as error:
            _say_unused(f"{path} cannot be read ({type(error).__name__})")
            return
        if saved_identity != identity:
            _say_unused(f"{path} is of another training ({_changes(saved_identity, identity)})")
            return
        initial = {name: deepcopy(part.state_dict()) for name, part in self.parts.items()}
        try:
            self._load(state)
        except Exception as error:  # the state of another network can raise any error
            _say_unused(f"{path} does not fit ({type(error).__name__})")
            self._load(initial | {"step": 0, "seconds": 0.0, "curve": []})

    def _load(self, state: dict[str, Any]) -> None:
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
        types = (int, float, float, float)
        self.curve = [
            [kind(value) for kind, value in zip(types, row, strict=True)] for row in state["curve"]
        ]
        self.step, self.seconds = state["step"], float(state["seconds"])
        if self.step != (self.curve[-1][0] if self.curve else 0):
            raise ValueError("a curve ends at the last step")


def write_curve(path: Path, curve: list[Row]) -> None:
    """Write a curve as CSV, atomically."""
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["step", "loss", "learning_rate", "seconds"])
        writer.writerows(curve)


def checkpoint_path(folder: Path, identity: dict[str, Any], name: str = "checkpoint") -> Path:
    """The checkpoint of a training of this identity; those of others lie beside it."""
    return folder / f"{name}-{json_digest(identity)[:12]}.pt"


def of_any_length(identity: dict[str, Any]) -> dict[str, Any]:
    """What decides the state before the decay: the identity without the length of the training."""
    settings = {**identity.get("settings", {})}
    for length in ("steps", "decay_steps"):
        settings.pop(length, None)
    return {**identity, "settings": settings}


def _say_what_is_set_aside(path: Path, identity: dict[str, Any]) -> None:
    """Name the checkpoints of other trainings in the folder, and what differs."""
    for other in sorted(path.parent.glob("checkpoint-*.pt")):
        with suppress(Exception):  # a damaged one is of no use to anybody
            changes = _changes(_read(other)["identity"], identity)
            _say_unused(f"{other} is of another training ({changes}) and is kept aside")


def _changes(old: Any, new: Any) -> str:
    found = [*differences(old, new)]
    return ", ".join(found[:3]) + (" …" if len(found) > 3 else "")


def _say_unused(problem: str) -> None:
    tqdm.write(f"{problem}: training starts at step 0.")


def _read(path: Path) -> dict[str, Any]:
    """A checkpoint on the CPU. Raises an error of any type if it is damaged."""
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()  # torch does not compare the checksums
    if damaged:
        raise zipfile.BadZipFile(damaged)
    # weights_only: a checkpoint is data and must not be able to run code.
    return torch.load(path, weights_only=True, map_location="cpu")
