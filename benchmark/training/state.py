"""What a training has reached: kept in a checkpoint, taken from one, and written as a curve."""

import csv
import zipfile
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from benchmark.core.atomic import atomic_path


class TrainingState:
    """What a checkpoint holds: the parts with a state (network, optimiser, …), step, curve."""

    def __init__(self, **parts):
        self.parts = parts
        self.step, self.seconds, self.curve, self.settings = 0, 0.0, [], ""

    def record(self, loss: float, seconds: float) -> None:
        self.step, self.seconds = self.step + 1, seconds
        if loss != loss or loss in (float("inf"), float("-inf")):
            raise FloatingPointError(f"the training loss is {loss} at step {self.step}")
        rate = self.parts["schedule"].get_last_lr()[0]
        self.curve.append([self.step, loss, rate, round(seconds, 2)])

    def recent_loss(self) -> float:
        recent = [row[1] for row in self.curve[-50:]]
        return sum(recent) / len(recent)

    def save(self, path: Path) -> None:
        state = {name: part.state_dict() for name, part in self.parts.items()}
        state |= {k: getattr(self, k) for k in ("step", "seconds", "curve", "settings")}
        # Through a file of Python's, so that an error tells what the disk said.
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            torch.save(state, file)

    def resume(self, path: Path, settings: str) -> None:
        """Load a checkpoint of a run with the same settings; a damaged or other one is not used."""
        self.settings = settings
        if not path.exists():
            return
        try:
            with zipfile.ZipFile(path) as whole:
                damaged = whole.testzip()  # torch itself does not compare the checksums
            if damaged:
                raise zipfile.BadZipFile(damaged)
            # weights_only: a checkpoint is data and must not be able to run code.
            state = torch.load(path, weights_only=True, map_location="cpu")
            settings_then = state["settings"]
        except Exception as error:
            tqdm.write(f"{path} cannot be read ({type(error).__name__}): training starts afresh.")
            return
        if settings_then != settings:
            tqdm.write(f"{path} is of other settings: training starts afresh.")
            return
        fresh = {name: deepcopy(part.state_dict()) for name, part in self.parts.items()}
        try:
            self._take(state)
        except Exception as error:  # what another network's raises
            tqdm.write(f"{path} does not fit ({type(error).__name__}): training starts afresh.")
            self._take(fresh | {"step": 0, "seconds": 0.0, "curve": []})

    def _take(self, state: dict[str, Any]) -> None:
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
        kinds = (int, float, float, float)
        self.curve = [
            [kind(value) for kind, value in zip(kinds, row, strict=True)] for row in state["curve"]
        ]
        self.step, self.seconds = state["step"], float(state["seconds"])
        if self.step != len(self.curve):
            raise ValueError("a curve has as many points as steps")


def write_curve(path: Path, curve: list[list[float]]) -> None:
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["step", "loss", "learning_rate", "seconds"])
        writer.writerows(curve)
