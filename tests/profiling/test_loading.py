"""Loaders' supply: rates are of what is counted, files of the stated kind, needs rounded up."""

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmark import cli
from benchmark.core.image_io import read_image, write_png
from benchmark.data import training_files
from benchmark.profiling import loading
from benchmark.profiling.loading import Supply
from benchmark.training import crops
from methods.networks.denoisers import DENOISERS


@pytest.fixture
def photos(tmp_path):
    """One photograph smaller than the pairs that are written, and one larger."""
    rng = np.random.default_rng(0)
    for i, shape in enumerate([(300, 500, 3), (600, 800, 3)]):
        write_png(tmp_path / f"{i}.png", rng.integers(0, 256, shape, np.uint8))
    return [tmp_path / "0.png", tmp_path / "1.png"]


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_pairs_are_written_whole_and_of_one_size(photos, tmp_path, suffix):
    pairs = loading.write_pairs(photos, tmp_path, suffix, 3)
    assert len({path for pair in pairs for path in pair}) == 6
    for pair in pairs:
        degraded, clean = map(read_image, pair)
        assert degraded.shape == clean.shape == (480, 720, 3)
        assert (degraded != clean).any()
    if suffix == ".png":
        assert (read_image(pairs[0][1])[:300, :500] == read_image(photos[0])).all()


def test_a_rate_is_pairs_over_processor_time(photos, monkeypatch):
    asked, clock = [], iter([10.0, 12.0])
    original = crops.TrainingPairs.__getitem__

    def item(self, index):
        asked.append(index)
        return original(self, index)

    monkeypatch.setattr(crops.TrainingPairs, "__getitem__", item)
    monkeypatch.setattr(loading.time, "process_time", lambda: next(clock))
    assert loading.made_a_second(photos, 16, count=11, batch=4) == 5.5
    assert asked == [0, *range(11)]


def test_a_step_takes_its_flops_of_the_stated_rate():
    """Four times the pixels take four times as long; so does a quarter of the rate."""
    rate = loading.taken_a_second("unet", "small", 32, 100)
    assert loading.taken_a_second("unet", "small", 64, 400) == pytest.approx(rate, rel=0.05)
    assert loading.taken_a_second("unet", "small", 32, 400) == 4 * rate
    assert loading.taken_a_second("unet", "small", 32, None) > 0


def test_processes_are_rounded_up():
    supply = Supply(128, {"PNG": 60.0, "JPEG": 300.0}, taken=290.0)
    assert (supply.loaders("PNG"), supply.loaders("JPEG")) == (5, 1)


def test_the_table_is_printed(photos, monkeypatch):
    monkeypatch.setattr(training_files, "training_photos", lambda name: photos)
    monkeypatch.setattr(loading, "FILES", 1)
    monkeypatch.setattr(loading, "made_a_second", lambda *_: 10.0)
    monkeypatch.setattr(loading, "taken_a_second", lambda *_: 25.0)
    done = CliRunner().invoke(cli.app, ["loaders", "--device-gflops", "100"])
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[-1].split()[-5:] == ["10.0", "25", "3", "3", "3"]


def test_an_unknown_denoiser_is_refused_with_those_there_are():
    done = CliRunner().invoke(cli.app, ["loaders", "--denoiser", "unett"])
    assert done.exit_code == 2
    assert all(name in done.output for name in DENOISERS)
