"""Runs a configuration under other conditions, and tells what stays the same, bit for bit.

    python -m tests.campaigns.determinism

A condition is a run from nothing, compared with the same run on two cores: the weights of each
training, the restored images of each variant, and the rows of scores.csv. Prints a table for
docs/robustness.md. Exits with 1 if something differs under a condition that may change nothing.
"""

import argparse
import csv
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.core.checksum import checksum
from tests.campaigns import workspace

CONFIG = "config/conditions.yaml"
RUN = "results/conditions"
# The default networks, because threads share the work of large tensors only.
SETTINGS = """\
name: conditions
train_on: photos
datasets: {photos: {split: val, weathers: [rain, haze], limit: 1}}
protocols: [rgb, y-matlab, lpips-alex]
training: {steps: 4, stages: [{share: 1, batch: 4, crop: 64}], warmup: 1, workers: 0}
discover: false
"""
ENTRIES = (
    "dark_channel:",
    "drop_inpainting:",
    "unet: {method: regression}",
    "conditional_diffusion: {variants: {ddim: {steps: 2}, ddpm: {sampler: ddpm, steps: 2}}}",
    "nafnet: {method: regression, parameters: {denoiser: nafnet}}",
    "transformer: {method: regression, parameters: {denoiser: transformer}}",
)
COMMAND = (sys.executable, "-m", "snakemake")
KEYS = ("dataset", "weather", "image", "method", "variant", "seed", "protocol", "metric")
KINDS = ("weights", "restored images", "scores")


@dataclass(frozen=True)
class Condition:
    """What is different from the first run. settings: replace `workers: 0` of the training."""

    settings: str = "workers: 0"
    entries: tuple[str, ...] = ENTRIES
    options: tuple[str, ...] = ("--cores", "2", "--config")
    environment: dict[str, str] = field(default_factory=dict)
    killed: bool = False
    promised: bool = True  # to be equal in all three kinds; else additions have another order

    @property
    def text(self) -> str:
        """The configuration."""
        entries = "".join(f"  {entry}\n" for entry in self.entries)
        return f"{SETTINGS.replace('workers: 0', self.settings)}methods:\n{entries}"


OFTEN = "workers: 0, checkpoint_seconds: 0.001, log_steps: 1"
CONDITIONS = {
    "the same again": Condition(),
    "`OMP_NUM_THREADS=1`": Condition(environment={"OMP_NUM_THREADS": "1"}),
    "`OMP_NUM_THREADS=2`": Condition(environment={"OMP_NUM_THREADS": "2"}),
    "entries in the opposite order": Condition(entries=ENTRIES[::-1]),
    "one more entry": Condition(entries=("oracle:", *ENTRIES)),
    "`workers: 2`": Condition("workers: 2"),
    "`checkpoint_seconds: 0.001, log_steps: 1`": Condition(OFTEN),
    "a training killed and continued": Condition(OFTEN, killed=True),
    "`--cores 1`": Condition(options=("--cores", "1", "--config"), promised=False),
    "`threads: 2` in `training`": Condition("workers: 0, threads: 2", promised=False),
    "`accumulate: 2` in `training`": Condition("workers: 0, accumulate: 2", promised=False),
    "`--config processes=2`": Condition(
        options=("--cores", "2", "--config", "processes=2"), promised=False
    ),
    "`ATEN_CPU_CAPABILITY=avx2`": Condition(
        environment={"ATEN_CPU_CAPABILITY": "avx2"}, promised=False
    ),
}


def start(folder: Path, condition: Condition) -> subprocess.Popen:
    """Start the workflow; its output goes to log.txt. The data are there and not pulled."""
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    return subprocess.Popen(
        [*COMMAND, f"{RUN}/scores.csv", *condition.options, f"run={CONFIG}"],
        cwd=folder,
        stdout=(folder / "log.txt").open("a"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
        env={**environment, **condition.environment, "DVC_STAGE": "campaign"},
    )


def run(folder: Path, condition: Condition) -> dict[str, dict[str, str]]:
    """Run a condition in a new folder; its results by kind and name. RuntimeError if it fails."""
    workspace.make(folder)
    (folder / CONFIG).write_text(condition.text, encoding="utf-8")
    if condition.killed:
        _kill_in_training(folder, start(folder, condition))
    if start(folder, condition).wait():
        raise RuntimeError((folder / "log.txt").read_text()[-3000:])
    return results(folder / RUN)


def _kill_in_training(folder: Path, process: subprocess.Popen) -> None:
    """End a workflow and its jobs when the U-Net has a checkpoint and no weights."""
    trained = folder / RUN / "train" / "unet"
    while process.poll() is None and not any(trained.rglob("*.pt")):
        time.sleep(0.005)
    if process.poll() is not None or any(trained.rglob("training.json")):
        raise RuntimeError(f"the training was not killed: {(folder / 'log.txt').read_text()}")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def results(run: Path) -> dict[str, dict[str, str]]:
    """Digests of weights and restored images by path, and the values of scores.csv."""
    table = csv.DictReader((run / "scores.csv").open(encoding="utf-8"))
    scores = {" ".join(row[k] for k in KEYS): row["value"] for row in table}
    found = {"weights": run.rglob("weights.safetensors"), "restored images": run.rglob("*.png")}
    digests = {
        kind: {path.relative_to(run).as_posix(): checksum(path) for path in paths}
        for kind, paths in found.items()
    }
    return {**digests, "scores": scores}


def difference(first: dict[str, str], second: dict[str, str]) -> str:
    """'equal', or how many of the results that both have differ."""
    shared = first.keys() & second.keys()
    other = sum(first[name] != second[name] for name in shared)
    return f"{other} of {len(shared)} differ" if other else "equal"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=CONDITIONS, default=[*CONDITIONS])
    arguments = parser.parse_args()
    broken = []
    print(f"| condition | {' | '.join(KINDS)} |\n|---|{'---|' * len(KINDS)}")
    with tempfile.TemporaryDirectory() as temporary:
        expected = run(Path(temporary) / "first", Condition())
        for number, name in enumerate(arguments.only):
            found = run(Path(temporary) / str(number), CONDITIONS[name])
            same = [difference(expected[kind], found[kind]) for kind in KINDS]
            print(f"| {name} | {' | '.join(same)} |", flush=True)
            if CONDITIONS[name].promised and set(same) != {"equal"}:
                broken.append(name)
    print(*(f"broken promise: {name}" for name in broken), sep="\n")
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
