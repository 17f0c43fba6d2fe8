"""The training loop: all learned methods get the same data, optimiser and number of steps.

Device, mixed precision and several processes come from accelerate, the moving average from torch.
All randomness is a function of (seed, step). So a training that was killed and resumed sees the
same pairs and noise as one that was not, and ends with the same weights.
"""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DataLoaderConfiguration, TorchDynamoPlugin
from torch import Tensor
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader
from tqdm import tqdm

from benchmark.core import weights
from benchmark.core.device import choose, describe
from benchmark.core.seeds import named_seed, torch_generator
from benchmark.spec.method import LearnedMethod
from benchmark.spec.training_settings import Training
from benchmark.training import crops
from benchmark.training.crops import Source
from benchmark.training.optimisation import build_optimizer, learning_rate, warming_average
from benchmark.training.state import TrainingState, write_curve
from benchmark.training.step import micro_step
from benchmark.weather import WEATHERS


def train(
    method: LearnedMethod,
    source: Source,
    settings: Training,
    seed: int,
    folder: Path,
    teacher: str = "",
    weathers: Sequence[str] = WEATHERS,
) -> dict[str, Any]:
    """Train `method.network`; returns `steps`, `seconds` and `device`.

    Writes to `folder`: weights.safetensors (the moving average of the weights), curve.csv (step,
    loss, learning_rate, seconds), and the curve for TensorBoard.

    Resumes from folder/checkpoint.pt if it is of the same network, settings, seed, weathers and
    teacher (the checksum of its weights), and removes it at the end. Raises UserError if there are
    no training data, and FloatingPointError if the loss is not finite.
    """
    cv2.setNumThreads(1)  # OpenCV's threads would compete with the loader processes
    choose()
    if settings.compile:
        # torch's compiler needs this call; the setting that `choose` makes does not reach it.
        torch.use_deterministic_algorithms(True)
    folder.mkdir(parents=True, exist_ok=True)
    trainer = _Trainer(method, settings, seed, folder)
    trainer.resume(teacher, weathers)
    trainer.run(source, weathers)
    return trainer.finish()


class _Trainer:
    """One training in one process."""

    def __init__(self, method: LearnedMethod, settings: Training, seed: int, folder: Path):
        self.method, self.settings, self.seed, self.folder = method, settings, seed, folder
        self.checkpoint = folder / "checkpoint.pt"
        self.network = method.network.to(memory_format=torch.channels_last)
        self.accelerator = _accelerator(settings, folder)
        update = warming_average(settings.ema)
        self.average = AveragedModel(self.network, multi_avg_fn=update)
        self.optimizer = build_optimizer(self.network, settings)
        factor = learning_rate(settings)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, factor)
        self.state = TrainingState(
            network=self.network,
            average=self.average,
            optimizer=self.optimizer,
            schedule=self.schedule,
        )
        if self.accelerator.scaler is not None:
            self.state.parts["scaler"] = self.accelerator.scaler

    def resume(self, teacher: str, weathers: Sequence[str]) -> None:
        """Continue from the checkpoint if it is of this very training."""
        settings = self.settings.model_dump_json()
        key = f"{settings} seed {self.seed} teacher {teacher} weathers {[*weathers]}"
        self.state.resume(self.checkpoint, key)

    def run(self, source: Source, weathers: Sequence[str]) -> None:
        """All steps that are left. The method has accelerate's network until they are done."""
        state, accelerator = self.state, self.accelerator
        self.average.to(accelerator.device)
        self.method.network, self.optimizer = accelerator.prepare(self.network, self.optimizer)
        batches = _batches(source, self.settings, self.seed, state.step, accelerator, weathers)
        bar = tqdm(
            range(state.step, self.settings.steps), "training", self.settings.steps,
            initial=state.step, unit="step", mininterval=2,
            disable=not accelerator.is_main_process,
        )  # fmt: skip
        start, saved = time.monotonic() - state.seconds, time.monotonic()
        for step in bar:
            loss = self._step(step, batches)
            state.record(loss, time.monotonic() - start)
            self._log()
            bar.set_postfix(loss=f"{state.recent_loss():.4f}", refresh=False)
            if time.monotonic() - saved > self.settings.checkpoint_seconds:
                saved = time.monotonic()
                if accelerator.is_main_process:
                    state.save(self.checkpoint)
        self.method.network = self.network
        accelerator.end_training()

    def _step(self, step: int, batches: Iterator[list[Tensor]]) -> float:
        """One gradient step; returns the mean loss of its micro-batches."""
        noise = torch_generator("training noise", self.seed, step, self.accelerator.process_index)
        losses = [
            micro_step(
                self.method, *next(batches), noise, self.accelerator, self.optimizer,
                self.settings.clip,
            )
            for _ in range(self.settings.accumulate)
        ]  # fmt: skip
        self.schedule.step()
        self.average.update_parameters(self.network)
        return sum(loss.item() for loss in losses) / len(losses)  # waits for a GPU once per step

    def _log(self) -> None:
        """The last row of the curve, for TensorBoard."""
        step, loss, rate, _ = self.state.curve[-1]
        self.accelerator.log({"loss": loss, "learning rate": rate}, step)

    def finish(self) -> dict[str, Any]:
        """Write weights and curve, and remove the checkpoint; returns the facts of the training."""
        state = self.state
        if self.accelerator.is_main_process:
            weights.save(self.average.module, self.folder / "weights.safetensors")
            write_curve(self.folder / "curve.csv", state.curve)
            self.checkpoint.unlink(missing_ok=True)
        device = describe(self.accelerator.device)
        return {"steps": state.step, "seconds": round(state.seconds, 1), "device": device}


def _accelerator(settings: Training, folder: Path) -> Accelerator:
    """accelerate for these settings, which logs to `folder`."""
    # accelerate keeps a process's first settings for all later trainings, unless they are reset.
    AcceleratorState._reset_state()
    accelerator = Accelerator(
        mixed_precision=settings.precision,
        gradient_accumulation_steps=settings.accumulate,
        # Each stage's size is compiled separately: torch's compiler fails with variable sizes.
        dynamo_plugin=TorchDynamoPlugin("inductor", dynamic=False) if settings.compile else None,
        # A GPU computes while the next pairs are copied from pinned memory.
        dataloader_config=DataLoaderConfiguration(non_blocking=True),
        log_with="tensorboard",
        project_dir=folder,
    )
    accelerator.init_trackers("tensorboard")
    return accelerator


def _batches(
    source: Source,
    settings: Training,
    seed: int,
    step: int,
    accelerator: Accelerator,
    weathers: Sequence[str],
) -> Iterator[list[Tensor]]:
    """Micro-batches from `step` on, stage by stage: [clean, degraded], both (B, 3, crop, crop).

    Each process gets its own share of the pairs.
    """
    for stage, first, end in settings.stage_steps():
        first = max(first, step)
        if first >= end:
            continue
        size = stage.batch * accelerator.num_processes
        own_seed, count = named_seed("train", seed), (end - first) * size
        pairs = crops.crops(source, stage.crop, own_seed, first * size, count, weathers)
        loader = DataLoader(
            pairs,
            stage.batch // settings.accumulate,
            num_workers=settings.workers,
            pin_memory=accelerator.device.type == "cuda",
            prefetch_factor=4 if settings.workers else None,
        )
        yield from accelerator.prepare(loader)
