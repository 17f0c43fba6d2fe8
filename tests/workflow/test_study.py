"""The study from nothing: every entry of config/study.yaml, tiny and for two or three steps."""

import pandas as pd
import pytest
import yaml

from benchmark.core.paths import ROOT
from benchmark.spec import run_config
from tests.clone import clone, snakemake

STUDY = ROOT / "config" / "study.yaml"
TINY = {"network": {"width": 8, "multipliers": [1, 2], "blocks": 1}}
LEAST = {"batch": 4, "crop": 16}


def tiny_study():
    """The study with small networks and a first variant for each entry, on one picture."""
    values = yaml.safe_load(STUDY.read_text())
    values |= {"name": "tiny", "datasets": {"levels": {"weathers": ["rain"], "limit": 1}}}
    values["protocols"] = ["rgb"]
    values["training"] |= {"workers": 0, "warmup": 0, "stages": [{"steps": 1, **LEAST}, LEAST]}
    for entry in filter(None, values["methods"].values()):
        steps = 2 + ("goes_on_from" in entry) + (entry.get("goes_on_from") == "unet_mse-15")
        entry["training"] = {"steps": steps, "decay_steps": 1}
        entry["parameters"] = entry.get("parameters", {}) | TINY
        entry["variants"] = dict([*entry.get("variants", {}).items()][:1])
    return values


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A clone in which the tiny study was made by the workflow, with all parts of its data."""
    folder = clone(tmp_path_factory.mktemp("study") / "repository")
    (folder / "config" / "tiny.yaml").write_text(yaml.safe_dump(tiny_study()))
    done = snakemake(folder, "--config", "run=config/tiny.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_workflow_makes_the_studys_board_from_nothing(made):
    board = pd.read_csv(made / "results/tiny/leaderboard.csv")
    scores = pd.read_csv(made / "results/tiny/scores.csv")
    entries = {*yaml.safe_load(STUDY.read_text())["methods"]}
    assert {*board.method} == {*scores.method} == entries
    assert scores.status.eq("ok").all(), scores[scores.status != "ok"].reason.unique()
    assert len([*(made / "datasets/levels/inputs").rglob("*.png")]) == 180


def test_longer_trainings_went_on_from_the_shorter_ones(made):
    """The state before the decay is kept beside the shorter entry's weights; its curve goes on."""
    for label, entry in tiny_study()["methods"].items():
        if entry and "goes_on_from" in entry:
            shorter = made / "results/tiny/train" / entry["goes_on_from"] / "seed0"
            assert [*shorter.glob("kept-*.pt")], label


def test_every_entry_of_a_budget_is_there_with_both_and_the_same_seeds():
    config = run_config.load(STUDY)
    names = {label.rsplit("-", 1)[0] for label in config.methods if label.endswith("-45")}
    assert len(names) == 12
    assert {f"{name}-15" for name in names} <= {*config.methods}
    assert {config.seeds_of(label) for label in config.methods} == {(0,)}


@pytest.mark.parametrize("name", ["study_real", "study_rates", "few_steps"])
def test_its_other_configurations_can_be_read(name):
    config = run_config.load(ROOT / "config" / f"{name}.yaml")
    assert run_config.check_methods(config, name) == []
