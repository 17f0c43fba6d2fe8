"""Training and sampling as shares of a machine's arithmetic; the cost of making pairs."""

import statistics
from collections.abc import Callable
from pathlib import Path

import cv2
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor

from benchmark.core.device import describe, native_bf16
from benchmark.core.errors import UserError
from benchmark.core.flops import flop_counter
from benchmark.core.seeds import named_seed, torch_generator
from benchmark.profiling.settings import Network
from benchmark.profiling.timing import Sizes, median_seconds, seconds_of, share_of_matmul
from benchmark.spec import registry
from benchmark.spec.method import LearnedMethod
from benchmark.spec.training_settings import Training
from benchmark.training import crops, step
from benchmark.training.crops import Source
from benchmark.training.loop import resolve
from benchmark.training.optimisation import MovingAverage, build_optimizer
from benchmark.training.step import micro_step


def denoiser_shares(network: Network, machine: torch.device, sizes: Sizes) -> tuple[float, float]:
    """Shares of the matrix-product rate: of a training step, and of sampling one image.

    The step's FLOPs are those of forward and backward; its time includes the optimiser and the
    moving average.
    """
    method = untrained(network, machine)
    clean, degraded = random_pairs(sizes.batch, sizes.crop, machine)
    flops = step.step_flops(method, clean, degraded)
    train = share_of_matmul(training_step(method, clean, degraded), flops, machine, sizes)
    method.network.eval()
    sample = sampling(method, sizes.side, machine)
    with flop_counter() as counter:
        sample()
    return train, share_of_matmul(sample, counter.get_total_flops(), machine, sizes)


def bf16_speedup(network: Network, machine: torch.device, sizes: Sizes) -> float:
    """Seconds of a training step in float32 over those in bfloat16, medians of alternating steps.

    Raises UserError if the device has no instructions for bfloat16: there the step can take many
    minutes.
    """
    if not native_bf16(machine):
        raise UserError(f"bf16_speedup: no instructions for bfloat16 ({describe(machine)})")
    method = untrained(network, machine)
    pairs = random_pairs(sizes.batch, sizes.crop, machine)
    seconds: dict[str, list[float]] = {"no": [], "bf16": []}
    for _ in range(sizes.repeats):
        for precision, times in seconds.items():
            # Made anew, because accelerate has one precision for the whole process.
            step = training_step(method, *pairs, Training(precision=precision))
            step()
            times.append(seconds_of(step, machine))
    return statistics.median(seconds["no"]) / statistics.median(seconds["bf16"])


def simulation_share(
    photos: list[Path], network: Network, settings: Training, machine: torch.device, sizes: Sizes
) -> float:
    """Seconds to make all training pairs, on one thread, over the seconds of all training steps.

    The steps use pairs that are ready, so they do not wait.
    """
    making = learning = 0.0
    for stage, first, end in settings.stage_steps():
        method = untrained(network, machine)
        step = training_step(method, *random_pairs(stage.batch, stage.crop, machine))
        learning += (end - first) * median_seconds(step, machine, sizes.repeats)
        seconds = pair_seconds(photos, stage.crop, sizes.pairs, sizes.repeats)
        making += (end - first) * stage.batch * seconds
    return making / learning


def pair_seconds(source: Source, crop: int, count: int, repeats: int) -> float:
    """Mean seconds to make one of `count` training pairs, on one thread.

    It is a mean because the kinds of weather differ; the median is taken over the repeats.
    """
    pairs = crops.crops(source, crop, seed=0, first=0, count=count)
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # as in training
    try:
        cpu = torch.device("cpu")
        return median_seconds(lambda: [pairs[i] for i in range(count)], cpu, repeats) / count
    finally:
        cv2.setNumThreads(threads)


def untrained(network: Network, machine: torch.device) -> LearnedMethod:
    """The method with initial weights, on the device, with the memory layout of training.

    Raises UserError if there is no such method.
    """
    kind = registry.load(network.method)
    torch.manual_seed(0)
    method = kind(kind.Parameters(**network.parameters))
    method.network.to(machine, memory_format=torch.channels_last)
    method.device = machine
    return method


def random_pairs(batch: int, crop: int, machine: torch.device) -> tuple[Tensor, Tensor]:
    """Clean and degraded images, (batch, 3, crop, crop): uniform noise in [0, 1]."""
    clean, degraded = torch.rand(2, batch, 3, crop, crop, generator=torch_generator("profile"))
    return clean.to(machine), degraded.to(machine)


def training_step(
    method: LearnedMethod, clean: Tensor, degraded: Tensor, settings: Training | None = None
) -> Callable[[], None]:
    """A function that does one training step on this batch, with the optimiser and moving average.

    clean, degraded: (B, 3, H, W) in [0, 1]. settings: Training() if None.
    """
    settings = resolve(settings or Training(), clean.device)
    AcceleratorState._reset_state()  # of an entry with another precision
    accelerator = Accelerator(mixed_precision=settings.precision)
    average = MovingAverage(method.network, settings.ema)
    optimizer = accelerator.prepare(build_optimizer(method.network, settings))
    noise = torch.Generator(clean.device).manual_seed(named_seed("profile"))

    def step() -> None:
        micro_step(method, clean, degraded, noise, accelerator, optimizer, settings.clip)
        average.update(method.network)

    return step


def sampling(method: LearnedMethod, side: int, machine: torch.device) -> Callable[[], None]:
    """A function that restores one image, (1, 3, side, side), with the default variant."""
    _, degraded = random_pairs(1, side, machine)

    @torch.inference_mode()
    def sample() -> None:
        method.restore(degraded, method.Variant(), [torch_generator("profile")])

    return sample
