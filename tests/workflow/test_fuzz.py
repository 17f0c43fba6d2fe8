"""Wrong files of every kind: the outcome is a success or an error that names the file.

A few examples of the campaign `tests.campaigns.fuzz`, and the faults that it found.
"""

import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.core.atomic import write_text
from benchmark.core.errors import UserError
from benchmark.core.image_io import read_image
from benchmark.core.paths import ROOT
from benchmark.data import file_index
from benchmark.results import training_record
from benchmark.spec import config_reader
from tests.campaigns import fuzz, mutations
from tests.campaigns.targets import TARGETS

# None for DVC's files and the parts of a run: each example takes a process or a run.
EXAMPLES = {
    "configuration": 40,
    "data set card": 40,
    "data set manifest": 60,
    "published numbers": 6,
    "image": 100,
    "photos of one's own": 40,
    "photographs for make-data": 40,
    "manifest for remake-pairs": 5,
    "weights (safetensors)": 30,
    "checkpoint (torch)": 30,
    "checkpoint that is converted": 30,
    "Caffe model": 40,
    "checkpoint of a training": 6,
    "metric weights": 4,
    "archive": 40,
    "set that is fetched": 40,
    "cache of examined files": 40,
    "tables of a run: leaderboard": 9,
    "tables of a run: figures, report": 2,
    "tables of a run: comparisons": 4,
    "tables of a run: compare": 3,
    "tables of a run: merge": 2,
    "leaderboard that chooses": 4,
    "submission: tables": 4,
    "submission: images": 4,
}
NEVER_REFUSED = {"cache of examined files", "checkpoint of a training"}
# If one of these has a fault, Hypothesis finds a small example.
SHRUNK = ("data set manifest", "image", "photos of one's own", "archive", "weights (safetensors)")


@pytest.mark.parametrize("name", EXAMPLES)
def test_wrong_files_are_read_or_refused_by_name(name):
    if name == "metric weights" and not (ROOT / "data" / "weights").exists():
        pytest.skip("the data are not here: run 'dvc pull'")
    found = fuzz.run(name, EXAMPLES[name], seed=7)
    assert found.keys() <= {"accepted", "refused"}, found
    assert "refused" in found or name in NEVER_REFUSED


@pytest.mark.parametrize("name", SHRUNK)
def test_wrong_files_that_hypothesis_makes(name, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wrong")

    @settings(max_examples=60, deadline=None, derandomize=True, database=None)
    @given(st.randoms(use_true_random=False))
    def every_outcome_is_named(random):
        kind, message = fuzz.outcome(TARGETS[name], folder, random)
        assert kind in ("accepted", "refused"), message

    every_outcome_is_named()


def test_every_target_is_tried_here_or_needs_a_run():
    others = {"parts of a run", "earlier run for plan", "DVC pointer, settings, remote"}
    assert TARGETS.keys() - EXAMPLES.keys() == others


def test_the_campaign_reports_a_traceback_and_an_error_that_names_nothing(tmp_path):
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
        ("[" * 1000, "is not valid YAML"),
        ("extends: none.yaml", r"run\.yaml: extends: .*none\.yaml is missing"),
        ("extends: ..", r"run\.yaml: extends: .* cannot be read"),
        ('leave_out: ["\\ud800"]', "is not valid YAML.*surrogates not allowed"),
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
        config_reader.load(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 5000, "is not valid JSON"),
        ('{"reason": "\\ud800"}', "is not valid JSON.*surrogates not allowed"),
        ("[]", "valid dictionary"),
        ('{"steps": 3}', "status: Field required"),
        ('{"status": "fine"}', "status: Input should be 'ok'"),
        ('{"status": "failed"}', "reason: not there"),
        ('{"status": "ok", "steps": "3"}', "steps: Input should be a valid integer"),
        ('{"status": "ok", "seconds": Infinity}', "seconds: Input should be a finite number"),
        ('{"status": "ok", "flops": 1%s}' % ("0" * 400), "flops: Input should be less than"),
        ('{"status": "ok", "settings": [3]}', "settings: Input should be a valid dictionary"),
    ],
)
def test_faults_that_were_found_in_training_facts(tmp_path, text, message):
    (tmp_path / "training.json").write_text(text)
    with pytest.raises(UserError, match=rf"training\.json.*{message}"):
        training_record.read(tmp_path, "train again")


def test_faults_that_were_found_in_the_parts_of_a_run(tmp_path):
    write_text(tmp_path / "methods.json", json.dumps(["\ud800", "日"], ensure_ascii=False))
    assert json.loads((tmp_path / "methods.json").read_text("utf-8")) == ["\ud800", "日"]
    with pytest.raises(UserError, match=r"a\\x00b\.png' cannot be read"):
        read_image(tmp_path / "a\0b.png")


@pytest.mark.parametrize("damaged", ["checksum", "name", "length of a name", "page", "schema"])
def test_files_of_a_damaged_cache_are_read_again(tmp_path, monkeypatch, damaged):
    monkeypatch.setattr(file_index, "CACHE", tmp_path / "files.sqlite")
    files = [ROOT / "LICENSE", ROOT / "data.dvc"]
    found = file_index.examine(files)
    data = bytearray(file_index.CACHE.read_bytes())
    if damaged == "length of a name":  # two bytes before the name in the index
        data[data.rindex(str(files[1]).encode()) - 2] ^= 0x20
    else:
        checksum = found[files[0]].sha256.encode()
        at = {"page": 4096 + 8, "checksum": data.index(checksum), "name": data.index(b"LICENSE"),
              "schema": data.index(b"tablefiles") + 5}  # fmt: skip
        data[at[damaged] : at[damaged] + 7] = b"\xff" * 7
    file_index.CACHE.write_bytes(data)
    assert file_index.examine(files) == found


def test_mutations_change_their_input_and_can_be_repeated():
    from random import Random

    tree = {"a": [1, {"b": "x"}], "c": {"d": None}}
    changed = [mutations.of_tree(tree, Random(n)) for n in range(50)]
    assert changed == [mutations.of_tree(tree, Random(n)) for n in range(50)]
    assert tree == {"a": [1, {"b": "x"}], "c": {"d": None}}
    assert sum(other != tree for other in changed) > 40
    assert sum(mutations.of_bytes(b"0" * 99, Random(n)) != b"0" * 99 for n in range(50)) > 40
