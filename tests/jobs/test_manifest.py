"""The manifest of a run: the commit, uncommitted changes, checksums of data and weights."""

import subprocess

import pytest
import torch

import benchmark
from benchmark.core.checksum import checksum
from benchmark.core.json_io import write_json
from benchmark.jobs import manifest
from benchmark.jobs.resolve import resolve
from benchmark.results.layout import RunFolder
from benchmark.results.tables import read_images
from benchmark.spec.run_config import Config
from benchmark.weather import PAIRS_VERSION
from tests.synthetic_run import make_run

CONFIG = Config(
    name="demo",
    datasets={"test-set": {"card": "photos"}},
    train_on="photos",
    methods={"unet": {"method": "regression"}, "identity": {}},
)


@pytest.fixture
def run(tmp_path):
    make_run(tmp_path / "results" / "demo", photos=2, weathers=("rain",), side=8)
    return RunFolder(tmp_path / "results" / "demo")


def git(folder, *arguments):
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def test_uncommitted_code_is_said(tmp_path, monkeypatch, run):
    monkeypatch.setattr(manifest, "CODE", tmp_path)
    found = manifest.make_manifest(CONFIG, "demo.yaml", run)
    assert (found["commit"], found["uncommitted_changes"]) == (
        f"unweather {benchmark.__version__}",
        None,
    )
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "all")
    found = manifest.make_manifest(CONFIG, "demo.yaml", run)
    assert len(found["commit"]) == 40 and found["uncommitted_changes"] is False
    (tmp_path / "new.py").write_text("")
    assert manifest.make_manifest(CONFIG, "demo.yaml", run)["uncommitted_changes"] is True


def test_images_are_known_by_content_not_by_place(run):
    images = read_images(run.path)
    before = manifest.images_checksum(images)
    elsewhere = images.assign(input="/elsewhere/" + images["input"]).iloc[::-1]
    assert manifest.images_checksum(elsewhere) == before
    assert manifest.images_checksum(images.assign(target_sha256="2" * 64)) != before
    assert manifest.images_checksum(images.iloc[1:]) != before


def test_versions_of_the_simulated_weather_are_there(run):
    found = manifest.make_manifest(CONFIG, "demo.yaml", run)
    assert found["simulation"] == {"training": [], "test pairs": [PAIRS_VERSION]}
    for known, expected in (({"simulation": 2}, [2]), ({"settings": {}}, []), ({}, [])):
        write_json(run.training("unet", 0) / "training.json", {"status": "ok", **known})
        found = manifest.make_manifest(CONFIG, "demo.yaml", run)
        assert found["simulation"]["training"] == expected
    write_json(run.training("unet", 0) / "training.json", {"status": "ok", "settings": {"a": 1}})
    assert manifest.make_manifest(CONFIG, "demo.yaml", run)["simulation"]["training"] == [1]
    photographs = Config(
        name="demo", datasets={"clear": {}}, train_on="photos", methods={"identity": {}}
    )
    assert manifest.make_manifest(photographs, "x", run)["simulation"]["test pairs"] == []


def test_data_weights_and_machine_are_there(run):
    file = run.training("unet", 0) / "weights.safetensors"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"weights")
    found = manifest.make_manifest(CONFIG, "demo.yaml", run)
    assert found["weights"] == {"unet seed 0": checksum(file)}
    assert len(found["data"]["test images sha256"]) == 64
    assert found["machine"]["cores"] >= 1 and found["machine"]["processor"]
    assert found["packages"]["torch"] and found["config"]["name"] == "demo"
    run.images.unlink()
    assert manifest.make_manifest(CONFIG, "x", run)["data"]["test images sha256"] is None


def test_what_changes_the_last_bits_is_recorded(run):
    resolve(run, cores=3, processes=2)
    found = manifest.make_manifest(CONFIG, "demo.yaml", run)["computed_with"]
    instructions = torch.backends.cpu.get_cpu_capability()
    assert (found["threads"], found["processes"]) == (3, 2)
    assert found["device"] in ("cpu", "cuda") and found["instructions"] == instructions
    run.resolved.unlink()
    found = manifest.make_manifest(CONFIG, "demo.yaml", run)["computed_with"]
    assert found["threads"] is None
