"""A plan: what is counted is right, what is measured scales, what is not known says why."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml

from benchmark import columns, config, datasets, plan_text, unit_costs
from benchmark import plan as planning
from benchmark.errors import UserError
from benchmark.images import write_png
from benchmark.plan import RESTORE, SCORE, TRAIN
from benchmark.run import RunFolder

TINY = {"network": {"width": 8, "multipliers": [1, 2], "blocks": 1}}
STAGES = [{"share": 0.75, "batch": 2, "crop": 16}, {"share": 0.25, "batch": 1, "crop": 32}]
SECONDS_A_STEP = {16: 2.0, 32: 5.0}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Writes a run's configuration over a set of 3 hazy and 2 rainy images, 24×16, and a set that
    is not there. Unit costs are stubs, so that sums can be written out."""
    monkeypatch.setattr(datasets, "CARDS", tmp_path)
    about = {"title": "t", "licence": "l", "source": "s", "citation": "c"}
    split = {"test": {"input": "{weather}/{photo}.png", "target": "clean/{photo}.png"}}
    card = {**about, "path": str(tmp_path), "weathers": ["haze", "rain"], "splits": split}
    (tmp_path / "here.yaml").write_text(yaml.safe_dump({**card, "train": "haze/*.png"}))
    away = {**card, "path": "nowhere", "pairs": {"test": 10}}
    (tmp_path / "away.yaml").write_text(yaml.safe_dump(away))
    for weather, count in (("haze", 3), ("rain", 2)):
        for i in range(count):
            write_png(tmp_path / weather / f"{i}.png", np.zeros((16, 24, 3), np.uint8))
    monkeypatch.setattr(unit_costs, "step_seconds", lambda m, s, stage: SECONDS_A_STEP[stage.crop])
    monkeypatch.setattr(unit_costs, "restoring_cost", lambda m, v, size: (0.5, 7))
    monkeypatch.setattr(unit_costs, "scoring_seconds", lambda p, size: 0.25)
    monkeypatch.setattr(planning, "pair_seconds", lambda *_: 0.125)

    def run(methods, name="here"):
        values = {
            "name": "planned", "train_on": "here", "datasets": {name: {}}, "discover": False,
            "seeds": [0, 1], "methods": methods,
            "training": {"steps": 8, "stages": STAGES, "warmup": 1, "workers": 1},
        }  # fmt: skip
        (tmp_path / "run.yaml").write_text(yaml.safe_dump(values))
        return config.load(tmp_path / "run.yaml")

    return run


UNET = {"unet": {"method": "regression", "parameters": TINY}}


def parts(plan):
    return {(part.work, part.entry): part for part in plan.parts}


def test_units_are_counted_and_their_costs_added(run):
    plan = planning.plan(run({**UNET, "dark_channel": None}))
    found = parts(plan)
    train = found[TRAIN, "unet"]
    assert (train.jobs, train.units) == (2, 16)
    # 6 steps of the first stage and 2 of the second, 14 pairs beside them on half of the cores
    assert train.seconds == 2 * (6 * 2 + 2 * 5 + (6 * 2 + 2 * 1) * 0.125 / 2)
    assert train.loaders == 1
    assert found[RESTORE, "unet"].units == 2 * 5
    assert found[RESTORE, "unet"].seconds == 2 * 5 * 0.5
    assert found[RESTORE, "unet"].flops == 2 * 5 * 7
    assert found[SCORE, "unet"].seconds == 2 * 5 * 0.25
    assert found[RESTORE, "dark_channel"].units == 2 * 3  # made for haze alone
    assert plan.seconds(SCORE) == (10 + 6) * 0.25


def test_time_grows_with_seeds_and_images_in_proportion(run):
    few = planning.plan(run({"unet": {**UNET["unet"], "seeds": [0]}}))
    many = planning.plan(run({"unet": {**UNET["unet"], "seeds": list(range(10))}}))
    for work in (TRAIN, RESTORE, SCORE):
        assert many.seconds(work) == pytest.approx(10 * few.seconds(work))
    assert many.disk_bytes == pytest.approx(10 * few.disk_bytes)


def test_another_device_is_planned_by_its_rate(run):
    configuration = run(UNET)
    found = parts(planning.plan(configuration, gflops=2.0))
    train = found[TRAIN, "unet"]
    assert train.flops > 0
    assert train.seconds == pytest.approx(train.flops / 2e9)
    restore = found[RESTORE, "unet"]
    assert restore.seconds == pytest.approx(restore.flops / 2e9)


@pytest.mark.parametrize("name", ["regression", "conditional_diffusion"])
def test_flops_by_pixels_are_those_of_the_whole_image(name):
    """Convolutions cost in proportion to the pixels, attention to their square; a time's embedding,
    which costs the same for any size, is not told apart."""
    from benchmark.registry import load

    kind = load(name)
    method = kind(kind.Parameters(**TINY))
    whole = unit_costs.restoring_cost(method, kind.Variant(), (192, 128))[1]
    by_pixels = unit_costs.restoring_flops(method, kind.Variant(), (192, 128))
    assert by_pixels == pytest.approx(whole, rel=1e-3)


def test_images_that_are_not_there_are_assumed_and_said(run):
    plan = planning.plan(run({"identity": None}, name="away"))
    assert parts(plan)[RESTORE, "identity"].units == 2 * 10
    assert "assumed: away, haze: not here; 5 images of 720×480" in plan_text.as_text(plan, False)


def test_what_cannot_be_planned_says_why_and_the_rest_goes_on(run, monkeypatch):
    def broken(method, variant, size):
        raise RuntimeError("no such device")

    monkeypatch.setattr(unit_costs, "restoring_cost", broken)
    plan = planning.plan(run({**UNET, "checkpoint": None}))
    text = plan_text.as_text(plan, False)
    assert "not known: RuntimeError: no such device" in text
    assert parts(plan)[TRAIN, "unet"].seconds > 0


@pytest.fixture
def finished(tmp_path):
    """A run whose training took 100 s for 10 steps and whose images took 3 s of 10 × 10 pixels."""
    folder = RunFolder(tmp_path / "finished")
    training = folder.training("unet", 0) / "training.json"
    training.parent.mkdir(parents=True)
    training.write_text(json.dumps({"status": "ok", "seconds": 100.0, "steps": 10}))
    row = dict.fromkeys(columns.COST, 0) | {
        "method": "unet", "variant": "default", "width": 10, "height": 10, "seconds": 3.0,
        "flops": 200, "status": "ok", "device": "cpu", "reason": "", "dataset": "here",
        "weather": "haze", "image": "0",
    }  # fmt: skip
    pd.DataFrame([row], columns=list(columns.COST)).to_csv(folder.path / "cost.csv", index=False)
    return folder


def test_costs_are_taken_from_an_earlier_run(run, finished):
    found = parts(planning.plan(run(UNET), costs=finished))
    assert found[TRAIN, "unet"].seconds == 16 * 10
    assert found[RESTORE, "unet"].seconds == pytest.approx(10 * 3.0 * (24 * 16) / 100)
    assert found[RESTORE, "unet"].flops == pytest.approx(10 * 200 * (24 * 16) / 100)


@pytest.mark.parametrize("facts", [{}, {"seconds": 3.0, "steps": 0}, {"steps": 3}])
def test_an_earlier_run_that_tells_no_time_is_named(run, finished, facts):
    training = finished.training("unet", 0) / "training.json"
    training.write_text(json.dumps({"status": "ok", **facts}))
    with pytest.raises(UserError, match=r"training\.json has no seconds or no steps"):
        planning.plan(run(UNET), costs=finished)


def test_a_plan_beside_what_a_run_took(run, finished):
    plan = planning.plan(run({"unet": {**UNET["unet"], "seeds": [0]}}))
    text = plan_text.comparison(plan, finished)
    restore = next(line for line in text.splitlines() if line.startswith("restore  unet default"))
    assert restore.split()[-3:] == ["2.50", "15.00", "0.17"]  # 5 images of 0.5 s, of 3 s
    train = next(line for line in text.splitlines() if line.startswith("train    unet"))
    assert train.split()[-3:] == ["22.88", "100.00", "0.23"]


def test_durations():
    assert [plan_text.duration(s) for s in (0.5, 45, 600, 7200 * 2, 86400 * 3)] == [
        "0.5 s", "45 s", "10.0 min", "4.0 h", "3.0 d",
    ]  # fmt: skip
