"""Training steps of this version beside those of another one, in a checkout of its own.

Both run `train`, the verb, on the same configuration, so nothing but the command line need be the
same in them. Processor time is compared: work of other processes counts little.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmark.core.errors import UserError
from benchmark.core.paths import CODE
from benchmark.profiling.settings import Network

NAME = "profile-step"  # of the run, whose folder is removed again
STEPS = (2, 5)
STAGE = {"share": 1, "batch": 16, "crop": 64}  # most steps of the default training are such


def check_checkout(other: Path) -> None:
    """Raise UserError if the folder `other` is no checkout of the suite."""
    if not (other / "benchmark" / "__main__.py").is_file():
        raise UserError(
            f"{other} has no benchmark/__main__.py: name the folder of a checkout by --beside."
        )


def step_speedup(other: Path, network: Network, rounds: int = 2) -> float:
    """Processor seconds of a training step in the checkout `other` over those in this one.

    The two take turns, one thread each. Raises UserError, with the end of its output, if a training
    fails.
    """
    seconds = {other: 0.0, CODE: 0.0}
    for _ in range(rounds):
        for checkout in seconds:
            short, long = (_training_seconds(checkout, network, steps) for steps in STEPS)
            seconds[checkout] += long - short  # without the start and the end of the process
    return seconds[other] / seconds[CODE]


def _training_seconds(checkout: Path, network: Network, steps: int) -> float:
    """Processor seconds of a whole training of so many steps, with its making of pairs."""
    entry = {"method": network.method, "parameters": network.parameters}
    config = {
        "name": NAME,
        "train_on": "photos",
        "datasets": {"photos": {}},
        "training": {"steps": steps, "stages": [STAGE], "warmup": 1, "workers": 0},
        "methods": {"step": entry},
        "discover": False,
    }
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "step.yaml"
        file.write_text(json.dumps(config))  # JSON is YAML
        verb = ["-m", "benchmark", "train", "--config", str(file), "--method", "step"]
        before = _children_seconds()
        done = subprocess.run(
            [sys.executable, *verb], cwd=checkout, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        seconds = _children_seconds() - before
    results = checkout / "results" / NAME
    trained = (results / "train/step/seed0/weights.safetensors").exists()
    shutil.rmtree(results, ignore_errors=True)
    if done.returncode or not trained:
        raise UserError(f"{checkout}: the training failed: {done.stdout[-500:].strip()}")
    return seconds


def _children_seconds() -> float:
    """Processor seconds of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
