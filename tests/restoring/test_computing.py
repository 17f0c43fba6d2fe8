"""Batches, their failures, timing, counting by shape, and the arithmetic of a variant."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from benchmark.core import device
from benchmark.core.errors import NotWritten
from benchmark.core.flops import flop_counter
from benchmark.core.image_io import read_image, write_png
from benchmark.core.seeds import torch_generator
from benchmark.core.storage import Storage
from benchmark.restoring import computing, dataset, shapes, units
from benchmark.results.tables import IMAGES
from benchmark.spec.method import Card, Method
from benchmark.spec.registry import load
from benchmark.spec.variant import Execution
from tests.core.test_flops import METHODS, make

TINY = {"width": 8, "multipliers": (1, 2), "blocks": 1}


class Noisy(Method):
    """Adds noise from each image's generator. calls: the sizes of its batches."""

    card = Card(title="t", citation="c", licence="MIT", supervision="none", description="d")
    fault = None  # called with the input

    def __init__(self):
        super().__init__()
        self.calls = []

    def restore(self, degraded, variant, generators):
        self.calls.append(len(degraded))
        if self.fault:
            self.fault(degraded)
        noise = [torch.rand(degraded.shape[1:], generator=g).to(degraded) for g in generators]
        return degraded + 0.1 * torch.stack(noise)


@pytest.fixture
def images(tmp_path):
    rows = []
    for number in range(8):
        size = (12, 16, 3) if number % 4 else (10, 10, 3)
        values = np.random.default_rng(number).integers(0, 255, size, dtype=np.uint8)
        write_png(tmp_path / f"{number}.png", values)
        file = f"{number}.png"
        rows.append(["set", "rain", f"image{number}", str(number), "", file, file, "", ""])
    # As in a run whose other images are kept: the index does not count from 0.
    return pd.DataFrame(rows, columns=list(IMAGES), index=range(5, 13))


def restore(method, images, root, out="out", **more):
    job = dataset.Job("label", "variant", 0, method, method.Variant(), None, **more)
    return dataset.restore(job, images, root, root / out)


def batched(monkeypatch, timed=1, most=3):
    """Let the CPU restore in batches, as a GPU does."""
    monkeypatch.setattr(units, "TIMED", timed)
    monkeypatch.setattr(
        dataset, "_units", lambda job, computer, sizes: units.in_batches(sizes, lambda _: most)
    )


def pixels(table, root):
    return {row.image: read_image(root / row.file).tolist() for row in table.itertuples()}


def test_batches_give_each_image_what_it_gets_alone(images, tmp_path, monkeypatch):
    alone = restore(Noisy(), images, tmp_path)
    batched(monkeypatch)
    method = Noisy()
    together = restore(method, images, tmp_path, "batched")
    assert list(together.image) == list(alone.image) and (together.status == "ok").all()
    assert pixels(together, tmp_path) == pixels(alone, tmp_path)
    assert 3 in method.calls
    # Of six images of one size: a warm-up, one that is timed, a batch of three and one of one.
    assert together.seconds.notna().sum() == 2 and together.batch_seconds.notna().sum() == 3
    assert together.peak_memory_bytes.notna().sum() == 5  # not of single images of a batch
    assert alone.seconds.notna().sum() == 6 and alone.batch_seconds.isna().all()


def test_a_fault_of_one_image_of_a_batch_leaves_the_others(images, tmp_path, monkeypatch):
    batched(monkeypatch, timed=0, most=8)
    first = read_image(tmp_path / "3.png").sum()

    def fault(x):
        if any(round((image * 255).sum().item()) == first for image in x):
            raise torch.OutOfMemoryError("CUDA out of memory")

    method = Noisy()
    method.fault = fault
    (tmp_path / "6.png").write_bytes(b"no image")
    table = restore(method, images, tmp_path).set_index("image")
    bad = table[table.status != "ok"]
    assert dict(bad.status) == {"image3": "out-of-memory", "image6": "failed"}
    assert "6.png" in bad.reason["image6"]


def test_a_full_disk_stops_the_job(images, tmp_path, monkeypatch):
    def full(*_):
        raise NotWritten("the disk is full")

    monkeypatch.setattr(Storage, "write", full)
    with pytest.raises(NotWritten, match="full"):
        restore(Noisy(), images, tmp_path)


def test_the_batch_follows_from_the_memory_setting():
    method = load("regression")(load("regression").Parameters(network=TINY))
    made = dataset.Computer(method, method.Variant(), 0, torch.device("cpu"), Execution())
    found = shapes.needs(method, method.Variant(), (32, 48))
    assert found.tensors > 32 * 48 * 3 * 4
    assert made.batch_of((32, 48), 10.5 * found.tensors / 2**30) == 10
    assert made.batch_of((64, 96), 10.5 * found.tensors / 2**30) in (2, 3)  # four times the pixels


class Blur(Noisy):
    """Reads values, as methods of NumPy do."""

    def restore(self, degraded, variant, generators):
        self.calls.append(len(degraded))
        kernel = torch.ones(3, 1, 3, 3).to(degraded) / 9
        blurred = nn.functional.conv2d(degraded, kernel, padding=1, groups=3)
        if self.fault and len(self.calls) == 1:
            raise self.fault
        return torch.from_numpy(blurred.numpy())


def test_flops_are_counted_in_the_warm_up(images, tmp_path):
    method = Blur()
    table = restore(method, images[1:3], tmp_path)
    assert (table.flops == 2 * 9 * 3 * 12 * 16).all()
    assert method.calls == [1, 1]
    assert table.seconds.notna().tolist() == [False, True]


def test_flops_are_counted_without_time_after_a_failed_warm_up(images, tmp_path):
    method = Blur()
    method.fault = ValueError("of the first image")
    table = restore(method, images[1:4], tmp_path)
    assert table.status.tolist() == ["failed", "ok", "ok"]
    assert (table.flops[1:] == 2 * 9 * 3 * 12 * 16).all()
    assert method.calls == [1, 1, 1, 1]  # the second image twice: counted, then timed


def test_a_failed_warm_up_is_made_up_for_if_the_flops_are_known(images):
    method, row = Blur(), next(images.itertuples())
    method.fault = ValueError("of the first image")
    made = dataset.Computer(method, method.Variant(), 0, torch.device("cpu"), Execution())
    made.needs[12, 16] = shapes.Needs(1)  # as counted by shape, for a batch
    image, size = [torch.rand(1, 3, 12, 16)], (12, 16)
    (failed,) = made.restore(units.Unit((0,), size, timed=False), [row], [image])
    assert failed is method.fault
    (restored,) = made.restore(units.Unit((1,), size, timed=True), [row], [image])
    assert restored[1]["seconds"] > 0 and method.calls == [1, 1, 1]


CLASSICAL = (
    "identity", "oracle", "dark_channel", "directional_opening", "guided_decomposition",
    "drop_inpainting", "deep_image_prior",
)  # fmt: skip


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        *((name, {"iterations": 2} if "deep" in name else {}) for name in CLASSICAL),
        *METHODS,
    ],
)
def test_counting_changes_no_result_and_by_shape_it_counts_the_same(method, settings):
    """A method must not keep what it computed from a network without content."""
    method = load(method)() if method in CLASSICAL else make(method)
    settings = method.Variant(**settings)
    image = torch.rand(1, 3, 32, 24, generator=torch_generator("x"))
    targets = [image] if method.sees_target else []

    def run():
        with torch.inference_mode():
            return method.restore(image.clone(), settings, [torch_generator("y")], *targets)

    before = run()
    found = shapes.needs(method, settings, (32, 24))
    assert torch.equal(run(), before)
    with flop_counter():
        assert torch.equal(run(), before)
    if found is not None:
        # A fused kernel computes the weights of attention twice for the gradient.
        with flop_counter() as counter, sdpa_kernel(SDPBackend.MATH):
            run()
        assert found.flops == (counter.get_total_flops() or None)


def test_peak_memory_is_that_of_the_image():
    cpu = torch.device("cpu")
    torch.zeros(2**26).sum()  # 256 MB, given back
    device.reset_peak_memory(cpu)
    least = device.peak_memory(cpu)
    block = torch.ones(2**26)
    assert device.peak_memory(cpu) - least > 0.9 * block.nbytes
    del block
    device.reset_peak_memory(cpu)
    assert device.peak_memory(cpu) < least + 2**26


def test_what_a_larger_image_took_does_not_count_for_the_next(images, tmp_path, monkeypatch):
    """Kept memory is given back whenever the size changes, and not for each image."""
    given_back = []
    monkeypatch.setattr(computing.heap, "give_back_freed_memory", lambda: given_back.append(1))
    restore(Noisy(), images, tmp_path)
    sizes = [number % 4 == 0 for number in range(8)]
    changes = sum(a != b for a, b in pairwise(sizes))
    assert len(given_back) == 1 + changes


def test_bf16_is_autocast_and_float32_is_not(images, tmp_path):
    seen = []

    class Net(Noisy):
        def restore(self, degraded, variant, generators):
            y = nn.functional.conv2d(degraded, torch.ones(3, 3, 1, 1).to(degraded) / 3)
            seen.append(y.dtype)
            return y

    restore(Net(), images[1:3], tmp_path, execution=Execution(precision="bf16"))
    assert set(seen[-2:]) == {torch.bfloat16}
    restore(Net(), images[1:3], tmp_path)
    assert set(seen[-2:]) == {torch.float32}


def test_tf32_is_off_unless_a_variant_asks_for_it(images, tmp_path):
    def allowed():
        return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32

    restore(Noisy(), images[1:3], tmp_path, execution=Execution(precision="tf32"))
    assert allowed() == (True, True)
    device.choose()
    assert allowed() == (False, False)
