"""The jobs of a run: methods for one weather, and weights that are exported to another run."""

import json

import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import load_file

from benchmark.core import weights
from benchmark.core.checksum import checksum
from benchmark.core.errors import UserError
from benchmark.core.paths import ROOT
from benchmark.jobs import train
from benchmark.jobs.checks import check_weights
from benchmark.results.layout import RunFolder
from benchmark.spec import config_reader
from benchmark.spec.build import build
from benchmark.spec.registry import load
from benchmark.spec.run_config import MethodEntry
from benchmark.spec.training_settings import Training
from benchmark.training import crops, step
from benchmark.weather import WEATHERS
from tests import run_jobs

TINY = {"network": {"width": 8, "multipliers": [1, 2], "blocks": 1}}

pytestmark = pytest.mark.skipif(
    not (ROOT / "data" / "manifest.json").exists(), reason="the data are not here: run 'dvc pull'"
)


def open_run(folder, **entry):
    """A run with one tiny regression called `unet`, its two validation images a weather listed."""
    values = {
        "name": "tiny",
        "train_on": "photos",
        "datasets": {"photos": {"split": "val", "weathers": ["rain", "haze"], "limit": 1}},
        "training": {
            "steps": 2, "stages": [{"share": 1, "batch": 1, "crop": 16}], "warmup": 1, "workers": 0
        },
        "methods": {"unet": {"method": "regression", "parameters": TINY, **entry}},
        "discover": False,
    }  # fmt: skip
    folder.mkdir()
    (folder / "run.yaml").write_text(yaml.safe_dump(values))
    config, run = config_reader.load(folder / "run.yaml"), RunFolder(folder)
    from benchmark.data.set_images import find_images

    find_images(config).to_csv(run.images, index=False)
    return config, run


def restored(config, run):
    run_jobs.restore(config, run, "unet", "default", 0, "photos")
    return pd.read_csv(run.restored("unet", "default", 0, "photos")).set_index("weather")


def test_a_specialist_restores_its_weather_alone(tmp_path):
    config, run = open_run(tmp_path / "run", weathers=["rain"])
    assert run_jobs.train(config, run, "unet", 0)["weathers"] == ["rain"]
    rows = restored(config, run)
    assert rows.status.to_dict() == {"rain": "ok", "haze": "skipped"}
    assert rows.reason["haze"] == "not made for haze"


def test_clear_photographs_are_restored_by_every_method(tmp_path):
    config, run = open_run(tmp_path / "run", weathers=["rain"])
    images = pd.read_csv(run.images)
    images.assign(weather="clear", input=images.target)[:1].to_csv(run.images, index=False)
    run_jobs.train(config, run, "unet", 0)
    assert restored(config, run).status.to_dict() == {"clear": "ok"}


def test_a_specialist_sees_its_weather_alone(monkeypatch):
    seen = set()

    def recipe_of(weather):
        def recipe(image, strength, rng):
            seen.add(weather)
            return image, {}

        return recipe

    recipes = {weather: ((recipe_of(weather), 1.0),) for weather in WEATHERS}
    monkeypatch.setattr("benchmark.weather.pairs._RECIPES", recipes)
    photos = sorted((ROOT / "data/photos/val").iterdir())[:1]
    for weathers in (("rain", "snow"), WEATHERS):
        seen.clear()
        pairs = crops.TrainingPairs(photos, 8, 0, 0, 80, weathers)
        for index in range(80):
            pairs[index]
        assert seen == {*weathers}


def test_exported_weights_take_the_place_of_training(tmp_path):
    config, run = open_run(tmp_path / "first")
    trained = run_jobs.train(config, run, "unet", 0)
    (file,) = train.export_weights(config, run, tmp_path / "weights")
    assert file.name == "unet-0.safetensors"
    assert all(v.dtype == torch.float16 for v in load_file(file).values())

    again, other = open_run(
        tmp_path / "second", weights=f"{tmp_path}/weights/unet-{{seed}}.safetensors"
    )
    taken = run_jobs.train(again, other, "unet", 0)
    assert taken == json.loads(json.dumps(trained))
    first = load_file(run.training("unet", 0) / "weights.safetensors")
    second = load_file(other.training("unet", 0) / "weights.safetensors")
    assert all(torch.equal(first[k].half().float(), second[k]) for k in first)
    assert restored(again, other).status.eq("ok").all()


def test_weights_that_are_not_there_are_a_status(tmp_path):
    config, run = open_run(tmp_path / "run", weights="data/weights/none.safetensors")
    run_jobs.train(config, run, "unet", 0)
    rows = restored(config, run)
    assert rows.status.eq("weights-missing").all()
    assert rows.reason.str.contains("none.safetensors is missing").all()
    assert train.export_weights(config, run, tmp_path / "out") == []


def test_weights_of_another_program_take_the_place_of_training(tmp_path):
    config, run = open_run(tmp_path / "run", weights=str(tmp_path / "theirs.pth"))
    state = build(config, "unet", 7).network.state_dict()
    torch.save({"params": state}, tmp_path / "theirs.pth")
    taken = run_jobs.train(config, run, "unet", 0)
    assert taken["weights"]["sha256"] == checksum(tmp_path / "theirs.pth")
    assert taken["weights"]["part"] == "params"
    saved = load_file(run.training("unet", 0) / "weights.safetensors")
    assert all(torch.equal(saved[name], value) for name, value in state.items())
    assert restored(config, run).status.eq("ok").all()


def test_weight_files_are_checked_before_a_run(tmp_path):
    config, _ = open_run(tmp_path / "run", weights=str(tmp_path / "theirs.pth"))
    assert "theirs.pth is missing" in check_weights(config, "run.yaml")[0]
    torch.save({"params": build(config, "unet", 0).network.state_dict()}, tmp_path / "theirs.pth")
    assert check_weights(config, "run.yaml") == []
    torch.save({"params": {"a.weight": torch.ones(2)}}, tmp_path / "theirs.pth")
    with pytest.raises(
        UserError, match=r"run\.yaml: methods\.unet: .*theirs\.pth does not fit Reg"
    ):
        check_weights(config, "run.yaml")


def test_weights_of_methods_that_load_their_own_are_checked(tmp_path):
    (tmp_path / "bad.pth").write_text("<html>404</html>")
    config, _ = open_run(tmp_path / "run")

    def published(file):
        entry = MethodEntry(method="checkpoint", parameters={"weights": str(tmp_path / file)})
        return config.model_copy(update={"methods": {"published": entry}})

    assert "none.pth" in check_weights(published("none.pth"), "run.yaml")[0]
    with pytest.raises(UserError, match=r"methods\.published: .*bad\.pth is cut off or not"):
        check_weights(published("bad.pth"), "run.yaml")


@pytest.mark.parametrize(
    "facts", [{"steps": 3}, {"status": "fine"}, {"status": "ok", "steps": "x"}]
)
def test_weights_whose_facts_are_wrong_are_refused_by_name(tmp_path, facts):
    config, run = open_run(tmp_path / "run", weights=str(tmp_path / "w.safetensors"))
    weights.save(build(config, "unet", 0).network, tmp_path / "raw")
    weights.export(tmp_path / "raw", tmp_path / "w.safetensors", facts)
    with pytest.raises(UserError, match=r"w.safetensors: training: (status|steps): "):
        run_jobs.train(config, run, "unet", 0)


def test_a_damaged_training_json_is_refused_by_name(tmp_path):
    config, run = open_run(tmp_path / "run")
    file = run.training("unet", 0) / "training.json"
    file.parent.mkdir(parents=True)
    file.write_text("{")
    out = tmp_path / "out"
    for use in (restored, lambda *run: train.export_weights(*run, out)):
        with pytest.raises(UserError, match=r"training\.json is not valid JSON"):
            use(config, run)


def test_training_flops_are_those_of_every_pair_and_step():
    """A 1×1 convolution of 3 channels: 2·9 a pixel forward, as many for its weights' gradient."""

    class OneByOne(load("regression")):
        def build(self):
            return torch.nn.Conv2d(3, 3, 1, bias=False)

    stages = ({"share": 0.5, "batch": 4, "crop": 16}, {"share": 0.5, "batch": 1, "crop": 32})
    method = OneByOne(OneByOne.Parameters(loss="rmse"))  # SSIM would add its own convolutions
    flops = step.training_flops(method, Training(steps=10, stages=stages))
    assert flops == 2 * 18 * (5 * 4 * 16**2 + 5 * 32**2)
