"""The one training loop: every learned method under the same data, optimiser and budget.

Device, mixed precision and several processes come from accelerate, the moving average from torch.
Randomness is a function of (seed, step) alone, so a run that was killed and resumed sees the same
pairs and noise as one that was not, and ends with the same weights.
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
from benchmark.training.step import learn
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
    """Train `method.network` and write to `folder`: weights.safetensors (the moving average) and
    curve.csv (step, loss, learning_rate, seconds), and the same for TensorBoard. Returns steps,
    seconds and device.

    Resumes from folder/checkpoint.pt if there is one of the same network, settings, seed, weathers
    and teacher (its weights' checksum); removes it when done. Raises UserError if there is no
    photo, and FloatingPointError if the loss is not finite.
    """
    # Every process has its own loader workers; OpenCV's threads would fight them for the cores.
    cv2.setNumThreads(1)
    folder.mkdir(parents=True, exist_ok=True)
    choose()
    if settings.compile:
        torch.use_deterministic_algorithms(True)  # tells the compiler too
    method.network.to(memory_format=torch.channels_last)
    # Or the settings of a process's first training would be those of all its trainings.
    AcceleratorState._reset_state()
    accelerator = Accelerator(
        mixed_precision=settings.precision,
        gradient_accumulation_steps=settings.accumulate,
        # Each stage's size is compiled by itself: sizes left open break torch's compiler.
        dynamo_plugin=TorchDynamoPlugin("inductor", dynamic=False) if settings.compile else None,
        # A GPU computes on while the next pairs are copied from pinned memory.
        dataloader_config=DataLoaderConfiguration(non_blocking=True),
        log_with="tensorboard",
        project_dir=folder,
    )
    accelerator.init_trackers("tensorboard")
    average = AveragedModel(method.network, multi_avg_fn=warming_average(settings.ema))
    optimizer = build_optimizer(method.network, settings)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, learning_rate(settings))
    run = TrainingState(
        network=method.network, average=average, optimizer=optimizer, schedule=schedule
    )
    if accelerator.scaler is not None:
        run.parts["scaler"] = accelerator.scaler
    key = f"{settings.model_dump_json()} seed {seed} teacher {teacher} weathers {[*weathers]}"
    run.resume(folder / "checkpoint.pt", key)

    average.to(accelerator.device)
    bare = method.network
    method.network, optimizer = accelerator.prepare(bare, optimizer)
    batches = _batches(source, settings, seed, run.step, accelerator, weathers)
    bar = tqdm(
        range(run.step, settings.steps), "training", settings.steps, initial=run.step,
        unit="step", mininterval=2, disable=not accelerator.is_main_process,
    )  # fmt: skip
    start, saved = time.monotonic() - run.seconds, time.monotonic()
    for step in bar:
        noise = torch_generator("training noise", seed, step, accelerator.process_index)
        losses = [
            learn(method, *next(batches), noise, accelerator, optimizer, settings.clip)
            for _ in range(settings.accumulate)
        ]
        schedule.step()
        average.update_parameters(bare)
        loss = sum(part.item() for part in losses) / len(losses)  # waits for a GPU once a step
        run.record(loss, time.monotonic() - start)
        accelerator.log({"loss": run.curve[-1][1], "learning rate": run.curve[-1][2]}, run.step)
        bar.set_postfix(loss=f"{run.recent_loss():.4f}", refresh=False)
        if time.monotonic() - saved > settings.checkpoint_seconds:
            saved = time.monotonic()
            if accelerator.is_main_process:
                run.save(folder / "checkpoint.pt")
    method.network = bare
    accelerator.end_training()
    if accelerator.is_main_process:
        weights.save(average.module, folder / "weights.safetensors")
        write_curve(folder / "curve.csv", run.curve)
        (folder / "checkpoint.pt").unlink(missing_ok=True)
    device = describe(accelerator.device)
    return {"steps": run.step, "seconds": round(run.seconds, 1), "device": device}


def _batches(
    source: Source,
    settings: Training,
    seed: int,
    step: int,
    accelerator: Accelerator,
    weathers: Sequence[str],
) -> Iterator[list[Tensor]]:
    """Micro-batches of pairs from `step` on, stage by stage; each process gets its share."""
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
