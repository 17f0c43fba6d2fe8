"""The training loop: all learned methods get the same data, optimiser and number of steps.

Device, mixed precision and several processes come from accelerate.
All randomness is a function of (seed, step). So a training that was killed and resumed sees the
same pairs and noise as one that was not, and ends with the same weights. Noise is drawn on the
device, and a CPU's generator gives other numbers than a GPU's: weights can be equal on devices of
one kind only.

The host waits for a GPU only where the curve gets a row, every `log_steps` steps.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import (
    AutocastKwargs,
    DataLoaderConfiguration,
    DistributedDataParallelKwargs,
    TorchDynamoPlugin,
)
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from benchmark.core import streams, weights
from benchmark.core.device import choose, describe, native_bf16, set_threads
from benchmark.core.errors import UserError, is_disk_fault
from benchmark.core.seeds import named_seed
from benchmark.spec.method import LearnedMethod
from benchmark.spec.training_settings import Training
from benchmark.training import crops
from benchmark.training.crops import Source
from benchmark.training.optimisation import (
    MovingAverage,
    build_optimizer,
    learning_rate,
    newton_schulz_dtype,
)
from benchmark.training.state import (
    TrainingState,
    checkpoint_path,
    of_any_length,
    write_curve,
)
from benchmark.training.step import micro_step
from benchmark.weather import WEATHERS


def train(
    method: LearnedMethod,
    source: Source,
    settings: Training,
    seed: int,
    folder: Path,
    identity: dict[str, Any] | None = None,
    weathers: Sequence[str] = WEATHERS,
    shorter: Path | None = None,
) -> dict[str, Any]:
    """Train `method.network`; returns `steps`, `seconds`, `device` and `resolved`.

    resolved: what was chosen for this machine: `precision`, the type of Muon's iteration, threads
    and processes.

    Writes to `folder`: weights.safetensors (the moving average of the weights), curve.csv (step,
    loss, learning_rate, seconds), and the curve for TensorBoard. A loss there is the mean over the
    steps since the row before, and over all processes.

    identity: JSON values, equal for two trainings only if one can continue the other; the default
    is settings, seed and weathers. Resumes from the folder's checkpoint of this identity. At the
    end, all checkpoints in the folder are removed. With the schedule `constant`, the state before
    the decay is kept, and a training that differs in its length alone starts from it. shorter: the
    folder of another training, whose kept state may be used too. Raises UserError if there are no
    training data or a batch cannot be shared by the processes, and FloatingPointError if the loss
    or a weight is not finite.
    """
    cv2.setNumThreads(1)  # OpenCV's threads would compete with the loader processes
    set_threads(settings.threads)
    settings = resolve(settings, choose())
    if settings.compile:
        # torch's compiler needs this call; the setting that `choose` makes does not reach it.
        torch.use_deterministic_algorithms(True)
    folder.mkdir(parents=True, exist_ok=True)
    identity = identity or own_identity(settings, seed, weathers)
    trainer = _Trainer(method, settings, seed, folder, identity, shorter)
    trainer.run(source, weathers)
    return trainer.finish()


def resolve(settings: Training, device: torch.device) -> Training:
    """The settings with the `precision` that `auto` means on a device."""
    if settings.precision != "auto":
        return settings
    return settings.model_copy(update={"precision": "bf16" if native_bf16(device) else "no"})


def own_identity(settings: Training, seed: int, weathers: Sequence[str]) -> dict[str, Any]:
    """What decides a training, as far as this module knows it."""
    return {"settings": settings.deciding(), "seed": seed, "weathers": [*weathers]}


class _Trainer:
    """One training in one process."""

    def __init__(
        self,
        method: LearnedMethod,
        settings: Training,
        seed: int,
        folder: Path,
        identity: dict[str, Any],
        shorter: Path | None = None,
    ):
        self.method, self.settings, self.seed, self.folder = method, settings, seed, folder
        self.checkpoint = checkpoint_path(folder, identity)
        self.shared = of_any_length(identity)
        self.kept = checkpoint_path(folder, self.shared, "kept")
        self.accelerator = _accelerator(settings, folder)
        device = self.accelerator.device
        self.network = method.network.to(device, memory_format=torch.channels_last)
        self.average = MovingAverage(self.network, settings.ema)
        self.optimizer = build_optimizer(self.network, settings)
        factor = learning_rate(settings)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, factor)
        self.noise = torch.Generator(device)
        self.state = TrainingState(
            network=self.network,
            average=self.average,
            optimizer=self.optimizer,
            schedule=self.schedule,
        )
        if self.accelerator.scaler is not None:
            self.state.parts["scaler"] = self.accelerator.scaler
        self.state.resume(self.checkpoint, identity)
        for kept in (folder, shorter):
            if kept and settings.schedule == "constant" and self.state.step == 0:
                state = checkpoint_path(kept, self.shared, "kept")
                self.state.branch_off(state, self.shared, settings.branch)

    def run(self, source: Source, weathers: Sequence[str]) -> None:
        """All steps that are left. The method has accelerate's network until they are done."""
        state, accelerator, settings = self.state, self.accelerator, self.settings
        self.method.network, self.optimizer = accelerator.prepare(self.network, self.optimizer)
        batches = _batches(source, settings, self.seed, state.step, accelerator, weathers)
        bar = tqdm(
            range(state.step, settings.steps), "training", settings.steps,
            initial=state.step, unit="step", mininterval=2,
            disable=not accelerator.is_main_process,
        )  # fmt: skip
        start, saved = time.monotonic() - state.seconds, time.monotonic()
        losses: list[Tensor] = []
        for step in bar:
            losses.append(self._step(step, batches))
            branches = settings.schedule == "constant" and step + 1 == settings.branch
            if (step + 1) % settings.log_steps and step + 1 < settings.steps and not branches:
                continue
            self._record(losses, start)
            losses.clear()
            bar.set_postfix(loss=f"{state.curve[-1][1]:.4f}", refresh=False)
            if branches and accelerator.is_main_process:
                state.save(self.kept, self.shared)
            if time.monotonic() - saved > settings.checkpoint_seconds:
                saved = time.monotonic()
                if accelerator.is_main_process:
                    state.save(self.checkpoint)
        self.method.network = self.network
        accelerator.end_training()

    def _step(self, step: int, batches: Iterator[list[Tensor]]) -> Tensor:
        """One gradient step; returns the mean loss of its micro-batches, a scalar on the device."""
        rank = self.accelerator.process_index
        self.noise.manual_seed(named_seed("training noise", self.seed, step, rank))
        losses = [
            micro_step(
                self.method, *next(batches), self.noise, self.accelerator, self.optimizer,
                self.settings.clip,
            )
            for _ in range(self.settings.accumulate)
        ]  # fmt: skip
        streams.reopen_closed()
        self.schedule.step()
        self.average.update(self.network)
        return torch.stack(losses).mean()

    def _record(self, losses: list[Tensor], start: float) -> None:
        """A row of the curve, for these steps' losses. Waits for the device."""
        means = self.accelerator.reduce(torch.stack(losses), "mean").tolist()
        self.state.record(means, time.monotonic() - start)
        step, loss, rate, _ = self.state.curve[-1]
        self.accelerator.log({"loss": loss, "learning rate": rate}, step)

    def finish(self) -> dict[str, Any]:
        """Write weights and curve, and remove the checkpoint; returns the facts of the training."""
        state, accelerator = self.state, self.accelerator
        if not all(p.isfinite().all() for p in self.average.module.parameters()):
            raise FloatingPointError("a weight is not finite after the last step")
        if accelerator.is_main_process:
            weights.save(self.average.module, self.folder / "weights.safetensors")
            write_curve(self.folder / "curve.csv", state.curve)
            for checkpoint in self.folder.glob("checkpoint-*.pt"):
                checkpoint.unlink()
        return {
            "steps": state.step,
            "seconds": round(state.seconds, 1),
            "device": describe(accelerator.device),
            "resolved": {
                "precision": self.settings.precision,
                "newton_schulz": str(newton_schulz_dtype(self.network)).removeprefix("torch."),
                "threads": torch.get_num_threads(),
                "processes": accelerator.num_processes,
            },
        }


def _accelerator(settings: Training, folder: Path) -> Accelerator:
    """accelerate for these settings, which logs to `folder`."""
    # accelerate keeps a process's first settings for all later trainings, unless they are reset.
    AcceleratorState._reset_state()
    accelerator = Accelerator(
        # Without it, processes on a CPU would train one copy each and not know of each other
        # (findings/accelerate_on_a_cpu_ignores_the_launcher.sh).
        cpu=not torch.cuda.is_available(),
        mixed_precision=settings.precision,
        gradient_accumulation_steps=settings.accumulate,
        # Each stage's size is compiled separately: torch's compiler fails with variable sizes.
        dynamo_plugin=TorchDynamoPlugin("inductor", dynamic=False) if settings.compile else None,
        # A GPU computes while the next pairs are copied from pinned memory.
        dataloader_config=DataLoaderConfiguration(non_blocking=True),
        log_with="tensorboard",
        project_dir=folder,
        kwargs_handlers=[
            # Some versions of torch keep a weight that was cast without gradients, for a target
            # that the network makes itself, and then the weight gets none from the loss either.
            AutocastKwargs(cache_enabled=False),
            # Buffers are constants. To send them around at each step would fail where processes
            # evaluate the network a different number of times.
            DistributedDataParallelKwargs(broadcast_buffers=False),
        ],
    )
    _leave_disk_faults_to_the_writer()
    accelerator.init_trackers("tensorboard")
    return accelerator


def _leave_disk_faults_to_the_writer() -> None:
    """From now on, no traceback of a thread whose disk is full or read-only.

    TensorBoard writes in a thread of its own, and raises the thread's error again at the next call.
    """
    report = threading.excepthook
    if getattr(report, "disk_faults_left_out", False):
        return

    def report_others(arguments: threading.ExceptHookArgs) -> None:
        if not is_disk_fault(arguments.exc_value):
            report(arguments)

    report_others.disk_faults_left_out = True
    threading.excepthook = report_others


def _batches(
    source: Source,
    settings: Training,
    seed: int,
    step: int,
    accelerator: Accelerator,
    weathers: Sequence[str],
) -> Iterator[list[Tensor]]:
    """Micro-batches from `step` on, stage by stage: [clean, degraded], both (B, 3, crop, crop).

    Each process gets its own share of the pairs. Raises UserError if a batch has no equal shares.
    """
    parts = settings.accumulate * accelerator.num_processes
    for stage in settings.stages:
        if stage.batch % parts:
            raise UserError(
                f"batch: {stage.batch} pairs cannot be shared equally by "
                f"{accelerator.num_processes} processes with accumulate: {settings.accumulate}. "
                "Choose another batch."
            )
    ends: dict[int, int] = {}  # index of the next new pair, for each crop
    for stage, first, end in settings.stage_steps():
        index = max(first * stage.batch, ends.get(stage.crop, 0))
        ends[stage.crop] = index + (end - first) * stage.batch
        index += max(step - first, 0) * stage.batch
        count = ends[stage.crop] - index
        if count <= 0:
            continue
        place = (stage.crop, named_seed("train", seed), index, count)
        pairs = crops.crops(source, *place, weathers, round(settings.decoded_gib * 2**30))
        loader = DataLoader(
            pairs,
            stage.batch // parts,
            num_workers=settings.workers,
            pin_memory=accelerator.device.type == "cuda",
            prefetch_factor=4 if settings.workers else None,
        )
        yield from accelerator.prepare(loader)
