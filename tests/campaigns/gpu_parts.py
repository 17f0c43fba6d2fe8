"""The parts that `tests.campaigns.gpu` measures."""

import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from benchmark.core import device
from benchmark.core.image_io import write_png
from benchmark.core.seeds import numpy_generator
from benchmark.data import set_images
from benchmark.profiling.networks import random_pairs, training_step, untrained
from benchmark.profiling.settings import Network
from benchmark.profiling.timing import seconds_of
from benchmark.restoring import dataset, units
from benchmark.results.layout import RunFolder, write_csv
from benchmark.results.schema import OK
from benchmark.results.tables import IMAGES
from benchmark.spec import run_config
from benchmark.spec.training_settings import Stage, Training
from benchmark.training import step
from tests import run_jobs
from tests.campaigns import twice

DENOISERS = ("unet", "transformer", "nafnet", "restormer")
TINY = {
    "unet": {"width": 8, "multipliers": (1, 2), "blocks": 1},
    "transformer": {"width": 8, "encoder": (2,), "middle": 2, "decoder": (1,)},
    "nafnet": {"width": 8, "encoder": (1,), "middle": 1, "decoder": (1,)},
    "restormer": {"width": 8, "blocks": (1, 1), "heads": (1, 2), "refinement": 1},
}
ONE_IMAGE = {"limit": 1, "weathers": ["rain"]}
GIB = 2**30
REPEATS = 5
MAIN = ("regression", "conditional_diffusion")


def machine() -> str:
    """The versions and the device that are measured."""
    return f"torch {torch.__version__}, {device.describe(device.choose())}"


def measure(part: str, tiny: bool) -> dict[str, Any]:
    """The cells of a part's row: seconds, share, gib, notes."""
    kind, _, rest = part.partition(" ")
    if kind == "step":
        name, _, compiled = rest.partition(" ")
        return training_step_of(name, bool(compiled), tiny)
    if kind == "restore":
        return restoring(rest == "batched", tiny)
    return repeated(tiny)


def network(name: str, tiny: bool) -> Network:
    """The regression with a denoiser, of the size of config/gpu.yaml."""
    sizes = {"network": TINY[name]} if tiny else {"size": "full"}
    return Network(method="regression", parameters={"denoiser": name, **sizes})


def training_step_of(name: str, compiled: bool, tiny: bool) -> dict[str, Any]:
    """A step of the first stage of config/gpu.yaml, with the optimiser, in bf16 where it is native.

    share: FLOPs of forward and backward over the time and the rate of bf16 matrix products.
    """
    here = device.choose()
    stage = Stage(share=1, batch=2, crop=32) if tiny else Stage(share=1, batch=32, crop=128)
    method = untrained(network(name, tiny), here)
    pair = random_pairs(stage.batch, stage.crop, here)
    one = [images[:1].cpu() for images in pair]
    flops = stage.batch * step.step_flops(untrained(network(name, tiny), one[0].device), *one)
    if compiled:
        torch.use_deterministic_algorithms(True)
        method.network.compile(dynamic=False)
    # A step of the published Restormer is computed in four parts, as config/gpu.yaml has it.
    parts = 4 if name == "restormer" and not tiny else 1
    work = training_step(method, *(images[: stage.batch // parts] for images in pair),
                         Training(optimizer="adamw"))  # fmt: skip
    first = seconds_of(work, here)
    device.reset_peak_memory(here)
    seconds = parts * statistics.median(seconds_of(work, here) for _ in range(REPEATS))
    return {
        "seconds": seconds,
        "share": flops / seconds / matmul_rate(here, 256 if tiny else 8192),
        "gib": device.peak_memory(here) / GIB,
        "notes": f"{stage.batch} pairs of {stage.crop}², {flops / 1e12:.3g} TFLOP, first step "
        f"{first:.1f} s{f', in {parts} parts' if parts > 1 else ''}",
    }


def matmul_rate(here: torch.device, side: int) -> float:
    """FLOP/s of the product of two square matrices of bfloat16, or of float32 where that is not
    native: the best of several."""
    kind = torch.bfloat16 if device.native_bf16(here) else torch.float32
    a, b = torch.rand(2, side, side, device=here).to(kind)
    torch.mm(a, b)
    return 2 * side**3 / min(seconds_of(lambda: torch.mm(a, b), here) for _ in range(REPEATS))


def restoring(batched: bool, tiny: bool) -> dict[str, Any]:
    """Images of 720×480 restored by the full U-Net, from files to files: seconds an image."""
    count, size = (4, (32, 48)) if tiny else (64, (480, 720))
    here = device.choose()
    method = untrained(network("unet", tiny), here)
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        images = _images(root, count, size)
        job = dataset.Job("unet", "default", 0, method, method.Variant(), None,
                          batch_gib=16 if batched else None)  # fmt: skip
        timed, units.TIMED = units.TIMED, 0 if batched else units.TIMED
        ready, dataset.ready = dataset.ready, lambda *_: 0  # its weights are random
        try:
            found: list[pd.DataFrame] = []
            seconds = seconds_of(
                lambda: found.append(dataset.restore(job, images, root, root / "out")), here
            )
        finally:
            units.TIMED, dataset.ready = timed, ready
    table = found[0]
    alone, together = table.seconds.median(), table.batch_seconds.median()
    return {
        "seconds": seconds / count,
        "gib": table.peak_memory_bytes.max() / GIB,
        "notes": f"{(table.status == OK).sum()} of {count} images of {size[1]}×{size[0]}; "
        + (f"{together:.4f} s in a batch" if together > 0 else f"{alone:.4f} s alone, timed"),
    }


def _images(root: Path, count: int, size: tuple[int, int]) -> pd.DataFrame:
    rows = []
    for number in range(count):
        noise = numpy_generator("gpu", number).integers(0, 256, (*size, 3), dtype="uint8")
        write_png(root / f"{number}.png", noise)
        file = f"{number}.png"
        rows.append(("set", "rain", str(number), str(number), "", file, file, "", ""))
    return pd.DataFrame(rows, columns=list(IMAGES))


def repeated(tiny: bool) -> dict[str, Any]:
    """Every method trained and restored twice."""
    config = twice.load(only=["unet_adamw", "dark_channel"] if tiny else None)
    with tempfile.TemporaryDirectory() as folder:
        first, second = (twice.run(config, Path(folder) / name) for name in ("first", "second"))
    faults = twice.wrong(first, second)
    return {"notes": f"{len(first)} trainings and restorings, {len(faults)} faults {faults[:2]}"}


def train_main_pair(seconds: float, tiny: bool) -> Iterator[dict[str, Any]]:
    """Train the regression and the diffusion model at full size for most of the given seconds, and
    restore and score some of the bundled test images: a row for each variant."""
    share = 0.35 * seconds / (1 if tiny else 1.2)
    for name in MAIN:
        made = measure_main(name, share, tiny)
        yield from made


def measure_main(name: str, seconds: float, tiny: bool) -> list[dict[str, Any]]:
    """As many steps of a method as fit into the seconds, and the scores."""
    here = device.choose()
    stage = {"share": 1, "batch": 2, "crop": 32} if tiny else {"share": 1, "batch": 16, "crop": 128}
    parameters = {"network": TINY["unet"]} if tiny else {"size": "full"}
    method = untrained(Network(method=name, parameters=parameters), here)
    work = training_step(method, *random_pairs(stage["batch"], stage["crop"], here))
    work()
    steps = 2 if tiny else max(20, int(seconds / seconds_of(work, here)))
    del method, work
    variants = {} if name == "regression" else {"ddim-1": {"steps": 1}, "ddim-4": {"steps": 4}}
    training = {"steps": steps, "stages": [stage], "warmup": min(20, steps), "workers": 0 if tiny
                else 4, "decay_steps": 1}  # fmt: skip
    config = run_config.Config(
        name="gpu-first-look", train_on="photos", discover=False, training=training,
        datasets={"photos": {"split": "test", **(ONE_IMAGE if tiny else {"limit": 4})}},
        methods={name: {"parameters": parameters, "variants": variants}},
    )  # fmt: skip
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        run = RunFolder(Path(scratch))
        write_csv(set_images.find_images(config), run.images)
        trained = run_jobs.train(config, run, name, 0)
        for variant in config.variants_of(name):
            run_jobs.restore(config, run, name, variant, 0, "photos")
        run_jobs.score(config, run, name, 0, "photos")
        scores = pd.read_csv(run.scores(name, 0, "photos"))
    psnr = scores[(scores.protocol == "rgb") & (scores.metric == "psnr")]
    for variant, part in psnr.groupby("variant"):
        notes = f"{steps} steps, {trained.get('seconds')} s, {len(part)} images"
        if trained["status"] != OK:
            notes = trained["reason"]
        rows.append({"part": f"{name} {variant}", "psnr": part["value"].mean(), "notes": notes})
    return rows
