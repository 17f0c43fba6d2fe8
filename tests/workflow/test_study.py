"""The study: every method of its configuration, tiny.

The campaign tests.campaigns.study makes its whole board from nothing by the workflow.
"""

import pandas as pd
import pytest
import yaml

from benchmark.core.paths import ROOT
from benchmark.data import set_images
from benchmark.results import layout
from benchmark.results.layout import RunFolder
from benchmark.spec import config_checks, config_reader
from tests import run_jobs
from tests.campaigns.study import STUDY, tiny_study

needs_data = pytest.mark.skipif(
    not (ROOT / "data" / "manifest.json").exists(), reason="the data are not here: run 'dvc pull'"
)


@needs_data
def test_every_method_of_the_study_is_trained_and_scored(tmp_path):
    """In this process, in the order of the file: teachers and shorter trainings first. One entry
    that goes on to 15 minutes is enough: they differ from those of 5 by their steps."""
    methods = yaml.safe_load(STUDY.read_text())["methods"]
    labels = [name for name, entry in methods.items() if "goes_on_from" not in (entry or {})]
    values = tiny_study(*labels, "unet-15") | {
        "datasets": {"photos": {"split": "val", "weathers": ["rain"], "limit": 1}}
    }
    file = tmp_path / "tiny.yaml"
    file.write_text(yaml.safe_dump(values, sort_keys=False))
    config, run = config_reader.load(file), RunFolder(tmp_path / "results")
    layout.write_csv(set_images.find_images(config), run.images)
    for label in config.methods:
        if config.trains(label):
            trained = run_jobs.train(config, run, label, 0)
            assert trained["status"] == "ok", trained
        (variant,) = config.variants_of(label)
        run_jobs.restore(config, run, label, variant, 0, "photos")
        run_jobs.score(config, run, label, 0, "photos")
        scores = pd.read_csv(run.scores(label, "0", "photos"))
        assert len(scores) and scores.status.eq("ok").all(), (label, [*scores.reason.unique()])


def test_budgets_are_in_proportion():
    config, long = config_reader.load(STUDY), config_reader.load(STUDY.with_name("study_long.yaml"))
    steps = {
        label: run.training_of(label).steps
        for run in (config, long)
        for label in run.methods
        if run.trains(label)
    }
    names = {label.rsplit("-", 1)[0] for label in config.methods if label.endswith("-15")}
    assert len(names) == 13
    assert {f"{name}-45" for name in names} <= {*long.methods}
    for name in names:
        for budget in (5, 45):
            if f"{name}-{budget}" in steps:
                expected = steps[f"{name}-15"] * budget / 15
                assert steps[f"{name}-{budget}"] == pytest.approx(expected, rel=0.05), name
    assert {config.seeds_of(label) for label in config.methods} == {(0,)}


@pytest.mark.parametrize(
    "name",
    [
        "study",
        "study_small",
        "study_long",
        "study_longest",
        "study_real",
        "study_rates",
        "few_steps",
        "budgets",
    ],
)
def test_its_configurations_fit_the_methods(name):
    config = config_reader.load(ROOT / "config" / f"{name}.yaml")
    assert config_checks.check_methods(config, name) == []
