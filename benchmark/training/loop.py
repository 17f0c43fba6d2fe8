"""The one training loop: every learned method under the same data, optimiser and budget.

Device, mixed precision and several processes come from accelerate, the moving average from torch.
Randomness is a function of (seed, step) alone, so a run that was killed and resumed sees the same
pairs and noise as one that was not, and ends with the same weights.
"""

import csv
import time
import zipfile
from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import cv2
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DataLoaderConfiguration, TorchDynamoPlugin
from pytorch_optimizer import Muon
from torch import Tensor
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader
from tqdm import tqdm

from benchmark.core import weights
from benchmark.core.atomic import atomic_path
from benchmark.core.device import choose, describe
from benchmark.core.flops import flop_counter
from benchmark.core.seeds import named_seed, torch_generator
from benchmark.spec.method import LearnedMethod
from benchmark.spec.training_settings import Training
from benchmark.training import crops
from benchmark.training.crops import Source
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
    average = AveragedModel(method.network, multi_avg_fn=_warming_average(settings.ema))
    optimizer = _optimizer(method.network, settings)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _learning_rate(settings))
    run = _Run(network=method.network, average=average, optimizer=optimizer, schedule=schedule)
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
            _learn(method, *next(batches), noise, accelerator, optimizer, settings.clip)
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
        _write_curve(folder / "curve.csv", run.curve)
        (folder / "checkpoint.pt").unlink(missing_ok=True)
    device = describe(accelerator.device)
    return {"steps": run.step, "seconds": round(run.seconds, 1), "device": device}


def training_flops(method: LearnedMethod, settings: Training) -> int:
    """FLOPs of the forward and backward passes of a whole training, in one process.

    Counted on one pair of each stage's size; the optimiser's own are left out.
    """
    total = 0
    for stage, first, end in settings.stage_steps():
        pair = torch.zeros(1, 3, stage.crop, stage.crop)
        total += step_flops(method, pair, pair) * stage.batch * (end - first)
    return total


def step_flops(method: LearnedMethod, clean: Tensor, degraded: Tensor) -> int:
    """FLOPs of forward and backward on a batch of pairs (B, 3, H, W)."""
    with flop_counter() as counter:
        method.loss(clean, degraded, torch_generator("flops")).backward()
    method.network.zero_grad()
    return counter.get_total_flops()


def _learn(method, clean, degraded, noise, accelerator, optimizer, clip: float) -> Tensor:
    """Loss and gradients of a micro-batch; the last of a batch steps the optimiser."""
    with accelerator.accumulate(method.network):
        with accelerator.autocast():
            loss = method.loss(clean, degraded, noise)
        accelerator.backward(loss)
        if accelerator.sync_gradients:
            accelerator.clip_grad_norm_(method.network.parameters(), clip)
        optimizer.step()
        optimizer.zero_grad()
    return loss.detach()


class _Run:
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


def _optimizer(network: torch.nn.Module, settings: Training) -> torch.optim.Optimizer:
    """Muon (Jordan, 2024; step sizes by Liu et al., 2025) for weights of two dimensions or more and
    AdamW for biases and gains, or AdamW for all (Loshchilov and Hutter, 2019).
    """
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(
            network.parameters(), lr=settings.learning_rate, betas=settings.betas
        )
    matrices = [p for p in network.parameters() if p.ndim > 1]
    vectors = [p for p in network.parameters() if p.ndim <= 1]
    groups = [
        {"params": matrices, "use_muon": True, "use_adjusted_lr": True, "weight_decay": 0.01},
        {"params": vectors, "use_muon": False, "betas": settings.betas},
    ]
    groups = [{**group, "lr": settings.learning_rate} for group in groups if group["params"]]
    return Muon(groups)


def _learning_rate(settings: Training):
    """Factor of the learning rate at a step: linear warm-up, then half a cosine down to zero."""

    def factor(step: int) -> float:
        if step < settings.warmup:
            return (step + 1) / settings.warmup
        done = (step - settings.warmup) / max(settings.steps - settings.warmup, 1)
        return 0.5 * (1 + torch.cos(torch.tensor(done * torch.pi)).item())

    return factor


def _warming_average(decay: float):
    """Exponential moving average whose decay grows from 0.1, so that it soon forgets the start."""

    @torch.no_grad()
    def update(averages: list[Tensor], current: list[Tensor], count: Tensor | int) -> None:
        count = int(count)
        torch._foreach_lerp_(averages, current, 1 - min(decay, (1 + count) / (10 + count)))

    return update


def _write_curve(path: Path, curve: list[list[float]]) -> None:
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["step", "loss", "learning_rate", "seconds"])
        writer.writerows(curve)
