"""A training may start from the weights of another entry, or of a file; the board says so."""

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
from benchmark.spec import run_config
from benchmark.spec.build import build
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
    return run_config.load(path), RunFolder(tmp_path / "results")


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
