"""Wrong files of every kind: a success or an error that names the file, never anything else.

A few examples of the campaign `tests.campaigns.fuzz`, and what it found.
"""

import json

import pytest
import yaml

from benchmark import config as configuration
from benchmark.atomic import write_text
from benchmark.errors import UserError
from benchmark.images import read_image
from benchmark.registry import ROOT
from tests.campaigns import fuzz, mutations
from tests.campaigns.fuzz_targets import TARGETS

EXAMPLES = {
    "configuration": 40,
    "data set card": 40,
    "data set manifest": 100,
    "image": 200,
    "weights (safetensors)": 30,
    "checkpoint (torch)": 30,
    "metric weights": 4,
    "tables of a run: leaderboard": 12,
    "tables of a run: figures, report": 3,
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_wrong_files_are_read_or_refused_by_name(name):
    if name == "metric weights" and not (ROOT / "data" / "weights").exists():
        pytest.skip("the data are not here: run 'dvc pull'")
    found = fuzz.run(name, EXAMPLES[name], seed=7)
    assert found.keys() <= {"accepted", "refused"}, found
    assert found["refused"]


def test_every_target_is_tried_here_or_needs_a_run():
    assert TARGETS.keys() - EXAMPLES.keys() == {"parts of a run"}


def test_the_campaign_tells_a_traceback_and_an_error_that_names_nothing(tmp_path):
    def crashes(folder, random):
        yield "file"
        raise KeyError("x")

    def mumbles(folder, random):
        yield "file"
        raise UserError("something is wrong")

    assert fuzz.outcome(crashes, tmp_path, None)[0].startswith("KeyError in ")
    assert fuzz.outcome(mumbles, tmp_path, None)[0] == "does not name file"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 5000, "is not valid YAML"),
        ("extends: none.yaml", r"run\.yaml: extends: .*none\.yaml: no such"),
        ("extends: ..", r"run\.yaml: extends: .* cannot be read"),
        ('extends: "\\0"', r"run\.yaml: extends: .* is not valid"),
        ("seeds: []", "seeds: Tuple should have at least 1 item"),
        ("seeds: [-1]", "greater than or equal to 0"),
        ("datasets: {}", "datasets: Dictionary should have at least 1 item"),
        ("methods: {}", "methods: none is named"),
    ],
)
def test_faults_that_were_found_in_configurations(tmp_path, text, message):
    values = {"name": "x", "train_on": "photos", "datasets": {"photos": {}}, "discover": False}
    values |= {"methods": {"identity": None}}
    change = yaml.safe_load(text) if ":" in text else None
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump({**values, **change}) if change else text)
    with pytest.raises(UserError, match=message):
        configuration.load(path)


def test_faults_that_were_found_in_the_parts_of_a_run(tmp_path):
    write_text(tmp_path / "methods.json", json.dumps(["\ud800", "日"], ensure_ascii=False))
    assert json.loads((tmp_path / "methods.json").read_text("utf-8")) == ["\ud800", "日"]
    with pytest.raises(UserError, match=r"a\\x00b\.png' cannot be read"):
        read_image(tmp_path / "a\0b.png")


def test_mutations_change_what_they_are_given_and_repeat():
    from random import Random

    tree = {"a": [1, {"b": "x"}], "c": {"d": None}}
    changed = [mutations.of_tree(tree, Random(n)) for n in range(50)]
    assert changed == [mutations.of_tree(tree, Random(n)) for n in range(50)]
    assert tree == {"a": [1, {"b": "x"}], "c": {"d": None}}
    assert sum(other != tree for other in changed) > 40
    assert sum(mutations.of_bytes(b"0" * 99, Random(n)) != b"0" * 99 for n in range(50)) > 40
