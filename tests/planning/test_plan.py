"""A plan: units are counted, measured costs scale with them, unknown costs have a reason."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml

from benchmark.core.errors import UserError
from benchmark.core.image_io import write_png
from benchmark.data import cards
from benchmark.planning import microbenchmarks, unit_costs
from benchmark.planning import plan as planning
from benchmark.planning import text as plan_text
from benchmark.planning.plan import RESTORE, SCORE, TRAIN
from benchmark.results import schema
from benchmark.results.layout import RunFolder
from benchmark.spec import config_reader

TINY = {"network": {"width": 8, "multipliers": [1, 2], "blocks": 1}}
STAGES = [{"share": 0.75, "batch": 2, "crop": 16}, {"share": 0.25, "batch": 1, "crop": 32}]
SECONDS_A_STEP = {16: 2.0, 32: 5.0}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A function that makes a configuration, with a set of 3 hazy and 2 rainy images of 24×16
    pixels or with a set that is not here. Unit costs are constants."""
    monkeypatch.setattr(cards, "CARDS", tmp_path)
    about = {"title": "t", "licence": "l", "source": "s", "citation": "c"}
    split = {"test": {"input": "{weather}/{photo}.png", "target": "clean/{photo}.png"}}
    card = {**about, "path": str(tmp_path), "weathers": ["haze", "rain"], "splits": split}
    (tmp_path / "here.yaml").write_text(yaml.safe_dump({**card, "train": "haze/*.png"}))
    away = {**card, "path": "nowhere", "pairs": {"test": 10}}
    (tmp_path / "away.yaml").write_text(yaml.safe_dump(away))
    for weather, count in (("haze", 3), ("rain", 2)):
        for i in range(count):
            write_png(tmp_path / weather / f"{i}.png", np.zeros((16, 24, 3), np.uint8))
    monkeypatch.setattr(
        microbenchmarks, "step_seconds", lambda m, s, stage: SECONDS_A_STEP[stage.crop]
    )
    monkeypatch.setattr(microbenchmarks, "restoring_cost", lambda m, v, size: (0.5, 7))
    monkeypatch.setattr(microbenchmarks, "scoring_seconds", lambda p, size: 0.25)
    monkeypatch.setattr(unit_costs, "made_per_second", lambda *_: 8.0)

    def run(methods, name="here"):
        values = {
            "name": "planned", "train_on": "here", "datasets": {name: {}}, "discover": False,
            "seeds": [0, 1], "methods": methods,
            "training": {"steps": 8, "stages": STAGES, "warmup": 1, "workers": 1},
        }  # fmt: skip
        (tmp_path / "run.yaml").write_text(yaml.safe_dump(values))
        return config_reader.load(tmp_path / "run.yaml")

    return run


UNET = {"unet": {"method": "regression", "parameters": TINY}}


def parts(plan):
    return {(part.work, part.entry): part for part in plan.parts}


def test_units_are_counted_and_their_costs_added(run):
    plan = planning.plan(run({**UNET, "dark_channel": None}))
    found = parts(plan)
    train = found[TRAIN, "unet"]
    assert (train.jobs, train.units) == (2, 16)
    # 6 steps of the first stage and 2 of the second; meanwhile half the cores make 14 pairs
    assert train.seconds == 2 * (6 * 2 + 2 * 5 + (6 * 2 + 2 * 1) * 0.125 / 2)
    assert train.loaders == 1
    assert found[RESTORE, "unet"].units == 2 * 5
    assert found[RESTORE, "unet"].seconds == 2 * 5 * 0.5
    assert found[RESTORE, "unet"].flops == 2 * 5 * 7
    assert (found[SCORE, "unet"].jobs, found[SCORE, "unet"].seconds) == (2, 2 * 5 * 0.25)
    assert found[RESTORE, "dark_channel"].units == 2 * 3  # made for haze alone
    assert plan.seconds(SCORE) == (10 + 6) * 0.25


def costs(plan):
    return [
        *(plan.seconds(work) for work in (TRAIN, RESTORE, SCORE)),
        *(sum(getattr(part, name) or 0 for part in plan.parts) for name in ("units", "flops")),
        plan.disk_bytes,
    ]


@pytest.mark.parametrize("gflops", [None, 2.0])
def test_twice_the_seeds_methods_or_images_are_twice_the_plan(run, gflops):
    one = {**UNET["unet"], "seeds": [0]}
    few = planning.plan(run({"unet": one}), gflops)
    seeds = planning.plan(run({"unet": {**one, "seeds": [0, 1]}}), gflops)
    methods = planning.plan(run({"unet": one, "unet_again": one}), gflops)
    twice = pytest.approx([2 * cost for cost in costs(few)])
    assert costs(seeds) == twice
    assert costs(methods) == twice
    assert sum(part.jobs for part in seeds.parts) == 2 * sum(part.jobs for part in few.parts)

    configuration = run({"unet": one})
    both = {**configuration.datasets, "again": configuration.datasets["here"]}
    both["again"] = both["again"].model_copy(update={"card": "here"})
    images = planning.plan(configuration.model_copy(update={"datasets": both}), gflops)
    for work in (RESTORE, SCORE):
        assert images.seconds(work) == pytest.approx(2 * few.seconds(work))
    assert images.seconds(TRAIN) == few.seconds(TRAIN)


def test_a_distilled_method_is_planned_with_its_teacher(run):
    settings = {"conditional_diffusion": {"parameters": TINY}}
    settings["distilled"] = {
        "method": "consistency_distillation", "teacher": "conditional_diffusion",
        "parameters": TINY,
    }  # fmt: skip
    found = parts(planning.plan(run(settings), gflops=2.0))
    # The teacher once, and the student at both ends of a step; only one of the two has gradients.
    ratio = found[TRAIN, "distilled"].flops / found[TRAIN, "conditional_diffusion"].flops
    assert 1.5 < ratio < 1.8


def test_a_training_that_cannot_be_planned_says_why(run, monkeypatch):
    def broken(method, settings):
        raise RuntimeError("no such loss")

    monkeypatch.setattr(microbenchmarks, "training_flops", broken)
    plan = planning.plan(run(UNET))
    assert "not known: RuntimeError: no such loss" in plan_text.as_text(plan, False)
    assert parts(plan)[RESTORE, "unet"].seconds > 0


def test_another_device_is_planned_by_its_rate(run):
    configuration = run(UNET)
    found = parts(planning.plan(configuration, gflops=0.01))
    for work in (TRAIN, RESTORE):
        assert found[work, "unet"].flops > 0
        assert found[work, "unet"].seconds == pytest.approx(found[work, "unet"].flops / 1e7)
    assert found[TRAIN, "unet"].loaders == 1


def test_a_fast_device_waits_for_the_loaders_that_there_are(run):
    """One process makes 14 pairs in 0.125 s each; the steps take almost no time."""
    train = parts(planning.plan(run(UNET), gflops=1e6))[TRAIN, "unet"]
    assert train.seconds == 2 * 14 * 0.125
    assert train.loaders == -(-14 * 0.125 // (train.flops / 2 / 1e15))


def test_missing_pairs_are_replaced_and_the_plan_says_so(run, monkeypatch, tmp_path):
    configuration = run(UNET)
    card = yaml.safe_load((tmp_path / "here.yaml").read_text())
    (tmp_path / "photos.yaml").write_text(yaml.safe_dump(card))
    pairs = {"input": "no/{photo}.png", "target": "none/{photo}.png"}
    (tmp_path / "away.yaml").write_text(yaml.safe_dump({**card, "train": pairs}))
    seen = []
    monkeypatch.setattr(
        unit_costs, "made_per_second", lambda source, *_: seen.append(source) or 8.0
    )
    plan = planning.plan(configuration.model_copy(update={"train_on": "away"}))
    assert parts(plan)[TRAIN, "unet"].loaders == 1
    assert "away: not here; its pairs are PNG files of 720×480" in plan.assumptions
    assert len(seen[0]) == unit_costs.PAIRS
    assert {path.suffix for pair in seen[0] for path in pair} == {".png"}


@pytest.mark.parametrize("name", ["conditional_diffusion", "deep_image_prior"])
def test_flops_of_another_device_are_those_of_the_whole_image(name):
    """Counted for a learned method; extrapolated for others, exactly if only convolutions cost."""
    from benchmark.spec.registry import load

    kind = load(name)
    learns = name == "conditional_diffusion"
    method = kind(kind.Parameters(**TINY) if learns else None)
    variant = kind.Variant() if learns else kind.Variant(iterations=2)
    whole = microbenchmarks.restoring_cost(method, variant, (192, 128))[1]
    assert microbenchmarks.restoring_flops(method, variant, (192, 128)) == pytest.approx(
        whole, rel=1e-6
    )


def test_missing_images_are_assumed_and_the_plan_says_so(run):
    plan = planning.plan(run({"identity": None}, name="away"))
    assert parts(plan)[RESTORE, "identity"].units == 2 * 10
    assert "assumed: away, haze: not here; 5 images of 720×480" in plan_text.as_text(plan, False)


def test_an_unknown_cost_has_a_reason_and_the_rest_is_planned(run, monkeypatch):
    def broken(method, variant, size):
        raise RuntimeError("no such device")

    monkeypatch.setattr(microbenchmarks, "restoring_cost", broken)
    plan = planning.plan(run({**UNET, "checkpoint": None}))
    text = plan_text.as_text(plan, False)
    assert "not known: RuntimeError: no such device" in text
    assert parts(plan)[TRAIN, "unet"].seconds > 0


@pytest.fixture
def finished(tmp_path):
    """A run: 100 s for 10 training steps, 3 s for an image of 10 × 10 pixels."""
    folder = RunFolder(tmp_path / "finished")
    training = folder.training("unet", 0) / "training.json"
    training.parent.mkdir(parents=True)
    training.write_text(json.dumps({"status": "ok", "seconds": 100.0, "steps": 10}))
    row = dict.fromkeys(schema.COST, 0) | {
        "method": "unet", "variant": "default", "width": 10, "height": 10, "seconds": 3.0,
        "flops": 200, "status": "ok", "device": "cpu", "reason": "", "dataset": "here",
        "weather": "haze", "image": "0",
    }  # fmt: skip
    pd.DataFrame([row], columns=list(schema.COST)).to_csv(folder.path / "cost.csv", index=False)
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


def test_an_earlier_run_without_costs_is_named(run, finished):
    (finished.path / "cost.csv").unlink()
    with pytest.raises(UserError, match=r"cost\.csv is missing; run 'python -m benchmark run'"):
        planning.plan(run(UNET), costs=finished)


def test_a_plan_beside_the_times_of_a_run(run, finished):
    plan = planning.plan(run({"unet": {**UNET["unet"], "seeds": [0]}}))
    text = plan_text.comparison(plan, finished)
    restore = next(line for line in text.splitlines() if line.startswith("restore  unet default"))
    assert restore.split()[-3:] == ["2.50", "15.00", "0.17"]  # 5 images of 0.5 s, of 3 s
    train = next(line for line in text.splitlines() if line.startswith("train    unet"))
    assert train.split()[-3:] == ["22.88", "100.00", "0.23"]


def test_samples_after_the_first_are_taken_to_last_as_long(run, finished):
    """cost.csv has no time of them."""
    entry = {**UNET["unet"], "seeds": [0], "variants": {"default": {"samples": 8}}}
    text = plan_text.comparison(planning.plan(run({"unet": entry})), finished)
    restore = next(line for line in text.splitlines() if line.startswith("restore  unet default"))
    assert restore.split()[-3:] == ["20.00", "120.00", "0.17"]  # 8 times 5 images


def test_durations():
    assert [plan_text.duration(s) for s in (0.5, 45, 600, 7200 * 2, 86400 * 3)] == [
        "0.5 s", "45 s", "10.0 min", "4.0 h", "3.0 d",
    ]  # fmt: skip
