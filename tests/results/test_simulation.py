"""The version of the simulated weather in the records of trainings and runs."""

from pathlib import Path

import pytest

from benchmark.core.errors import UserError
from benchmark.core.paths import ROOT
from benchmark.core.weights import exported_facts
from benchmark.results import simulation, training_record
from benchmark.training.crops import simulation_version
from benchmark.weather import TRAINING_VERSION


@pytest.mark.parametrize(
    ("facts", "version"),
    [
        ({"simulation": 2, "settings": {"steps": 3}}, 2),
        ({"simulation": None, "settings": {"steps": 3}}, None),  # a data set's own pairs
        ({"settings": {"steps": 3}}, 1),  # older than the record
        ({"weights": {"file": "authors.pth"}}, None),  # trained elsewhere
        ({"status": "failed", "reason": "no memory"}, None),
    ],
)
def test_a_training_names_the_version_of_its_pairs(facts, version):
    assert simulation.of_training(facts) == version


def test_weights_that_are_older_than_the_record_are_of_the_first_version():
    files = sorted((ROOT / "data/weights/reference").glob("*.safetensors"))
    known = [simulation.of_training(exported_facts(file)) for file in files]
    assert all(version >= 1 for version in known)


def test_pairs_of_photographs_are_simulated_and_those_of_a_set_are_not():
    assert simulation_version([Path("a.jpg")]) == TRAINING_VERSION
    assert simulation_version([(Path("a.jpg"), Path("b.jpg"))]) is None


@pytest.mark.parametrize("version", [0, -1, "1", 1.5, True])
def test_a_version_that_is_none_is_refused(version):
    with pytest.raises(UserError, match="simulation"):
        training_record.check({"status": "ok", "simulation": version}, "training.json")


def test_a_merged_run_has_the_versions_of_its_parts(tmp_path):
    parts = [{"simulation": {"training": [2]}}, {"simulation": {"test pairs": [1]}}, {}]
    found = simulation.of_run(tmp_path, {"merged": parts})
    assert (found.training, found.test_pairs) == ((1, 2), (1,))


def test_a_merge_of_merges_has_the_versions_of_its_runs(tmp_path):
    run = {"simulation": {"training": [2], "test pairs": [1]}}
    found = simulation.of_run(tmp_path, {"merged": [{"merged": [run, run]}, run]})
    assert (found.training, found.test_pairs) == ((2,), (1,))


def test_the_first_run_of_a_version_is_the_one_that_others_are_compared_with(tmp_path):
    runs = [
        (tmp_path / name, {"simulation": {"training": versions, "test pairs": [1]}})
        for name, versions in (("none", []), ("first", [2]), ("second", [2]), ("third", [1]))
    ]
    simulation.refuse_others(runs[:3])
    with pytest.raises(UserError, match=r"first and .*third have training pairs .* 2 and 1"):
        simulation.refuse_others(runs)
