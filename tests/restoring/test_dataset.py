"""A failure of one image or method becomes a status, and the others go on."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from benchmark.core import weights
from benchmark.core.checksum import checksum
from benchmark.core.image_io import read_image, write_png
from benchmark.core.storage import STORAGES
from benchmark.restoring import dataset
from benchmark.results.layout import RESTORED
from benchmark.results.tables import IMAGES
from benchmark.spec import registry
from benchmark.spec.method import Card, Method

CARD = Card(
    title="t", citation="c", licence="MIT", supervision="none", description="d", weathers=("haze",)
)


class Stub(Method):
    """A method that calls `behave` on each image."""

    card = CARD

    def __init__(self, behave):
        super().__init__()
        self.behave = behave

    def restore(self, degraded, variant, generators):
        return self.behave(degraded)


@pytest.fixture
def images(tmp_path):
    rows = []
    for i, weather in enumerate(["haze", "haze", "rain"]):
        values = np.random.default_rng(i).integers(0, 255, (12, 16, 3), dtype=np.uint8)
        write_png(tmp_path / f"{i}.png", values)
        rows.append(["set", weather, f"image{i}", str(i), "", f"{i}.png", f"{i}.png", "", ""])
    return pd.DataFrame(rows, columns=list(IMAGES))


def restore(method, images, root, file=None, variant=None):
    settings = variant or method.Variant()
    job = dataset.Job("label", "variant", 0, method, settings, file)
    return dataset.restore(job, images, root, root / "out")


def test_images_are_saved_in_8_bits_and_their_cost_is_in_the_table(images, tmp_path):
    table = restore(Stub(lambda x: x), images, tmp_path)
    assert list(table.columns) == list(RESTORED)
    assert list(table.status) == ["ok", "ok", "skipped"]
    assert table.reason[2] == "not made for rain"
    row = table.iloc[0]
    assert (row.width, row.height, row.nfe, row.parameters) == (16, 12, 0, 0)
    assert np.isnan(row.seconds) and table.seconds[1] > 0  # the first image is the warm-up
    assert table.batch_seconds.isna().all()
    assert row.peak_memory_bytes > 1e6
    assert row.device.startswith(("cpu: ", "cuda: "))
    assert (read_image(tmp_path / row.file) == read_image(tmp_path / "0.png")).all()


def test_an_image_is_saved_in_every_storage_of_the_job(images, tmp_path):
    def between(x):
        return (x + 0.6 / 255).clamp(0, 1)

    job = dataset.Job("l", "v", 0, Stub(between), Stub.Variant(), None, storages=STORAGES)
    table = dataset.restore(job, images, tmp_path, tmp_path / "out")
    row, levels = table.iloc[0], read_image(tmp_path / "0.png").astype(int)
    assert row.file == "out/haze/image0.png" and row.jpeg_file == "out/jpeg/haze/image0.jpg"
    assert (read_image(tmp_path / row.file) == np.minimum(levels + 1, 255)).all()
    assert (read_image(tmp_path / row.truncated_file) == levels).all()
    with Image.open(tmp_path / row.jpeg_file) as jpeg:
        assert (jpeg.format, jpeg.size) == ("JPEG", (16, 12))
    for file, sha256 in (storage.columns for storage in STORAGES):
        assert checksum(tmp_path / row[file]) == row[sha256]


def not_finite(x):
    return x * float("nan")


def wrong_shape(x):
    return x[..., :4]


def levels(x):
    return x * 255


def crash(x):
    raise RuntimeError("broken\nhere")


def no_memory(x):
    raise torch.OutOfMemoryError("CUDA out of memory")


def no_cpu_memory(x):
    return torch.empty(10**15)


@pytest.mark.parametrize(
    ("behave", "status", "reason"),
    [
        (not_finite, "failed", "not finite"),
        (wrong_shape, "failed", r"\(1, 3, 12, 4\)"),
        (levels, "failed", "divide them by 255"),
        (crash, "failed", "RuntimeError: broken here"),
        (no_memory, "out-of-memory", "CUDA out of memory"),
        (no_cpu_memory, "out-of-memory", "allocate memory"),
    ],
)
def test_a_fault_of_one_image_leaves_the_others(images, tmp_path, behave, status, reason):
    first = read_image(tmp_path / "0.png").sum()

    def sometimes(x):
        return behave(x) if round((x * 255).sum().item()) == first else x

    table = restore(Stub(sometimes), images, tmp_path)
    assert list(table.status) == [status, "ok", "skipped"]
    assert pd.Series([table.reason[0]]).str.contains(reason).all()
    assert not (tmp_path / "out" / "haze" / "image0.png").exists()


def test_an_unreadable_input_is_named(images, tmp_path):
    (tmp_path / "0.png").write_bytes(b"not an image")
    table = restore(Stub(lambda x: x), images, tmp_path)
    assert list(table.status) == ["failed", "ok", "skipped"]
    assert "0.png" in table.reason[0]


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK"])
def test_inputs_of_other_kinds_are_restored_as_rgb(images, tmp_path, mode):
    suffix = "tif" if mode == "CMYK" else "png"
    Image.new(mode, (16, 12), 100 if mode in "LP" else (10, 20, 30, 255)).save(
        tmp_path / f"x.{suffix}"
    )
    table = restore(Stub(lambda x: x), images[:1].assign(input=f"x.{suffix}"), tmp_path)
    assert list(table.status) == ["ok"]
    assert read_image(tmp_path / table.file[0]).shape == (12, 16, 3)


def test_the_oracle_sees_the_target(images, tmp_path):
    pairs = images[:1].assign(input="1.png")
    table = restore(registry.load("oracle")(), pairs, tmp_path)
    assert (read_image(tmp_path / table.file[0]) == read_image(tmp_path / "0.png")).all()


def diffusion():
    kind = registry.load("conditional_diffusion")
    torch.manual_seed(0)
    method = kind(kind.Parameters(network={"width": 8, "multipliers": (1, 2), "blocks": 1}))
    torch.nn.init.normal_(method.network.leave.weight, std=0.1)
    return method


def test_weights_missing_or_of_another_model_are_every_images_status(images, tmp_path):
    table = restore(diffusion(), images, tmp_path, tmp_path / "none.safetensors")
    assert set(table.status) == {"weights-missing"}
    other = registry.load("regression")()
    weights.save(other.network, tmp_path / "other.safetensors")
    table = restore(diffusion(), images, tmp_path, tmp_path / "other.safetensors")
    assert set(table.status) == {"failed"}
    assert table.reason.str.contains("of another model").all()


@pytest.mark.parametrize("sampler", ["ddim", "ddpm"])
def test_an_images_noise_does_not_depend_on_the_others(images, tmp_path, sampler):
    method = diffusion()
    file = tmp_path / "w.safetensors"
    weights.save(method.network, file)
    variant = method.Variant(sampler=sampler, steps=2)
    together = restore(diffusion(), images, tmp_path, file, variant)
    assert list(together.nfe) == [2, 2, 2]
    assert (together.flops > 0).all()
    alone = restore(diffusion(), images[1:2], tmp_path, file, variant)
    assert alone.sha256.iloc[0] == together.sha256.iloc[1]
    assert together.sha256.iloc[0] != together.sha256.iloc[1]


def test_the_oracle_skips_images_without_ground_truth(images, tmp_path):
    table = restore(registry.load("oracle")(), images.assign(target=["", "1.png", ""]), tmp_path)
    assert list(table.status) == ["skipped", "ok", "skipped"]
    assert set(table.reason[[0, 2]]) == {"no ground truth"}
