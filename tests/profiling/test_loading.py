"""Loading: rates count pairs per second of processor time; the needed processes are rounded up."""

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from benchmark import cli
from benchmark.core.image_io import read_image, write_png
from benchmark.data import training_files
from benchmark.profiling import loading
from benchmark.profiling.loading import Supply
from benchmark.profiling.settings import Network
from benchmark.training import crops

SMALL = {"network": {"width": 8, "multipliers": [1, 2], "blocks": 1}}


@pytest.fixture
def photos(tmp_path):
    """Two photographs: one is smaller than the pairs that are written, one is larger."""
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
    assert loading.made_per_second(photos, 16, 11, loading.ALL, batch=4) == 5.5
    assert asked == [0, *range(11)]


def test_a_step_takes_its_flops_over_the_stated_rate():
    """Four times the pixels take four times as long; so does a quarter of the rate."""
    convolutions = {"network": {**SMALL["network"], "attention": False}}
    network = Network(method="regression", parameters=convolutions)
    rate = loading.used_per_second(network, 32, 100)
    assert loading.used_per_second(network, 64, 400) == pytest.approx(rate, rel=0.05)
    assert loading.used_per_second(network, 32, 400) == 4 * rate
    assert loading.used_per_second(network, 32, None) > 0


def test_processes_are_rounded_up():
    supply = Supply(128, {"PNG": 60.0, "JPEG": 300.0}, used=290.0)
    assert (supply.loaders("PNG"), supply.loaders("JPEG")) == (5, 1)


def test_the_table_is_printed(photos, monkeypatch):
    monkeypatch.setattr(training_files, "training_photos", lambda name: photos)
    monkeypatch.setattr(loading, "FILES", 1)
    monkeypatch.setattr(loading, "made_per_second", lambda *_: 10.0)
    monkeypatch.setattr(loading, "used_per_second", lambda *_: 25.0)
    done = CliRunner().invoke(cli.app, ["loaders", "--device-gflops", "100"])
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[-1].split()[-6:] == ["10.0", "25", "3", "3", "3", "3"]


@pytest.mark.parametrize("chosen", [False, True])
def test_the_network_is_that_of_an_entry_or_of_the_profile(photos, monkeypatch, tmp_path, chosen):
    seen = []
    monkeypatch.setattr(training_files, "training_photos", lambda name: photos)
    monkeypatch.setattr(loading, "supplies", lambda *arguments: seen.append(arguments))
    monkeypatch.setattr(loading, "as_table", str)
    entries = {"mine": {"method": "regression", "parameters": SMALL}}
    run = {"name": "x", "train_on": "photos", "datasets": {"photos": {}}, "methods": entries}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(run))
    entry = ["--config", str(tmp_path / "run.yaml"), "--method", "mine"] if chosen else []
    done = CliRunner().invoke(cli.app, ["loaders", "--device-gflops", "5", *entry])
    assert done.exit_code == 0, done.output
    full = Network(method="conditional_diffusion", parameters={"size": "full"})
    network = Network(method="regression", parameters=SMALL) if chosen else full
    assert seen == [(photos, network, 5.0)]


def test_a_configuration_without_its_entry_is_wrong_usage():
    done = CliRunner().invoke(cli.app, ["loaders", "--config", "missing.yaml"])
    assert done.exit_code == 2
    assert "--method" in done.stderr
