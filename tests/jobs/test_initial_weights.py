"""A training may start from the weights of another entry, or of a file; the board says so."""

import shutil

import pytest
import torch
import yaml
from safetensors.torch import load_file

from benchmark.board.legend import board_legend
from benchmark.core import weights
from benchmark.core.errors import UserError
from benchmark.core.paths import ROOT
from benchmark.jobs.identity import Identities
from benchmark.results.layout import RunFolder
from benchmark.spec import config_reader
from benchmark.spec.build import build
from benchmark.training import loop
from tests import run_jobs

needs_data = pytest.mark.skipif(
    not (ROOT / "data" / "manifest.json").exists(), reason="the data are not here: run 'dvc pull'"
)
TINY = {"network": {"width": 8, "multipliers": [1, 2], "blocks": 1}}
STILL = {"learning_rate": 1e-12}  # the weights stay as they are


def run_of(tmp_path, **tuned):
    """A run with an entry `first`, and an entry `tuned` that starts from it."""
    entry = {"method": "regression", "parameters": TINY}
    values = {
        "name": "tiny",
        "train_on": "photos",
        "datasets": {"photos": {"split": "val"}},
        "training": {"steps": 1, "stages": [{"share": 1, "batch": 1, "crop": 16}], "workers": 0},
        "methods": {"first": entry, "tuned": {**entry, "initial_weights": "first", **tuned}},
        "discover": False,
    }
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(values))
    return config_reader.load(path), RunFolder(tmp_path / "results")


def trained(run, label):
    return load_file(run.training(label, 0) / "weights.safetensors")


def close(a, b):
    return all(torch.allclose(a[name], b[name], atol=1e-6) for name in a)


@needs_data
def test_a_training_starts_from_another_entry(tmp_path):
    config, run = run_of(tmp_path, training=STILL)
    run_jobs.train(config, run, "first", 0)
    facts = run_jobs.train(config, run, "tuned", 0)
    assert close(trained(run, "first"), trained(run, "tuned"))
    assert not close(trained(run, "first"), build(config, "first", 0).network.state_dict())
    assert facts["settings"]["initial_weights"] == "first"
    (told,) = (e for e in board_legend([{"method": "tuned", "training": facts["settings"]}])
               if e.term == "Fine-tuned")  # fmt: skip
    assert "tuned from first" in told.text


@needs_data
def test_a_training_starts_from_a_file(tmp_path):
    file = tmp_path / "start-0.safetensors"
    config, run = run_of(
        tmp_path, training=STILL, initial_weights=str(tmp_path / "start-{seed}.safetensors")
    )
    assert run_jobs.train(config, run, "tuned", 0)["status"] == "weights-missing"
    network = build(config, "tuned", 0).network
    torch.nn.init.constant_(network.leave.weight, 0.25)
    weights.save(network, file)
    before = Identities(config).training("tuned", 0).digest
    run_jobs.train(config, run, "tuned", 0)
    assert close(trained(run, "tuned"), network.state_dict())
    torch.nn.init.constant_(network.leave.weight, 0.5)
    weights.save(network, file)
    assert Identities(config).training("tuned", 0).digest != before


def test_an_entry_that_was_not_trained_is_the_reason(tmp_path):
    config, run = run_of(tmp_path)
    run_jobs.fail_training(run, "first", 0, "training: it broke")
    result = run_jobs.train(config, run, "tuned", 0)
    assert result["status"] == "failed"
    assert "'first', from which it starts, was not trained: training: it broke" in result["reason"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"initial_weights": "tuned"}, r"initial_weights: 'tuned' must be an entry that learns"),
        ({"seeds": [3]}, "'first' is not trained with seed 3"),
        ({"weights": "x.safetensors"}, r"tuned\.initial_weights: the entry is not trained"),
        ({"method": "identity", "parameters": {}}, r"initial_weights: the entry is not trained"),
    ],
)
def test_wrong_initial_weights_are_named(tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        run_of(tmp_path, **changes)


def test_with_weights_for_all_entries_nothing_starts_from_another_training(tmp_path):
    """A run with a reference run's weights extends the configuration by which they were trained."""
    config, _ = run_of(tmp_path)
    values = config.model_dump(mode="json", exclude_unset=True)
    values["weights"] = "w/{entry}-{seed}.safetensors"
    file = tmp_path / "pretrained.yaml"
    file.write_text(yaml.safe_dump(values))
    assert not config_reader.load(file).trains("tuned")


# A longer training goes on from a shorter one


LENGTHS = {"schedule": "constant", "warmup": 1, "stages": [{"batch": 1, "crop": 16}]}


def two_lengths(tmp_path, short=None, **long):
    """A run with the entry `short`, of 4 steps, and the entry `long`, of 6."""
    config = {"method": "regression", "parameters": TINY}
    values = {
        "name": "tiny",
        "train_on": "photos",
        "datasets": {"photos": {"split": "val"}},
        "training": {**LENGTHS, "workers": 0, "steps": 4, "decay_steps": 2},
        "methods": {
            "short": config | (short or {}),
            "long": {**config, "goes_on_from": "short", "training": {"steps": 6}, **long},
        },
        "discover": False,
    }
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(values))
    return config_reader.load(path), RunFolder(tmp_path / "results")


@needs_data
def test_a_longer_training_goes_on_from_the_shorter_one(tmp_path, monkeypatch):
    config, run = two_lengths(tmp_path)
    run_jobs.train(config, run, "long", 0)  # nothing to go on from: from the start
    expected = trained(run, "long")
    shutil.rmtree(run.training("long", 0))
    run_jobs.train(config, run, "short", 0)
    steps = []
    monkeypatch.setattr(loop, "micro_step", lambda *a, f=loop.micro_step: steps.append(a) or f(*a))
    assert run_jobs.train(config, run, "long", 0)["steps"] == 6
    assert len(steps) == 4  # of 6: the first two are those of `short`
    assert all(torch.equal(expected[name], value) for name, value in trained(run, "long").items())


@pytest.mark.parametrize(
    ("short", "long", "message"),
    [
        ({}, {"goes_on_from": "shrt"}, "Did you mean 'short'"),
        ({"parameters": {}}, {}, "differ only in steps and decay_steps, not in parameters"),
        ({}, {"training": {"steps": 6, "ema": 0.9}}, "not in training.ema"),
        ({}, {"training": {"steps": 4}}, "starts at step 2, which must be before that of 'long'"),
        (
            {"training": {"schedule": "cosine", "stages": [{"share": 1, "batch": 1, "crop": 16}]}},
            {},
            "'short' must be trained, with the schedule constant",
        ),
        ({"method": "identity", "parameters": {}}, {}, "'short' must be trained"),
    ],
)
def test_an_entry_that_cannot_be_gone_on_from_is_named(tmp_path, short, long, message):
    with pytest.raises(UserError, match=rf"methods\.long\.goes_on_from: .*{message}"):
        two_lengths(tmp_path, short, **long)


def test_the_shorter_training_has_each_seed_of_the_longer_one(tmp_path):
    with pytest.raises(UserError, match=r"long\.seeds: 'short' is not trained with seed 1"):
        two_lengths(tmp_path, seeds=[0, 1])
    two_lengths(tmp_path, {"seeds": [0, 1]}, seeds=[1])
