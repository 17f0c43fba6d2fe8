"""Weights that a configuration names: of this suite, of others, missing, and unfit."""

import pytest
import torch
from safetensors.torch import save_file

from benchmark.core import weights
from benchmark.core.checksum import checksum
from benchmark.core.errors import UserError, WeightsMissing
from benchmark.spec import given_weights
from benchmark.spec.run_config import WeightFile
from methods.aodnet import AODNet


def method(seed=0):
    torch.manual_seed(seed)
    return AODNet()


def weights_of(method):
    return {name: value.clone() for name, value in method.network.state_dict().items()}


def same(method, state):
    return all(torch.equal(value, state[name]) for name, value in weights_of(method).items())


def test_a_file_of_another_program_is_loaded_and_says_what_it_is(tmp_path):
    state, path, target = weights_of(method(1)), tmp_path / "authors.pth", method(2)
    named = {name.replace("conv", "module.e_conv"): value for name, value in state.items()}
    torch.save({"epoch": 3, "state_dict": named}, path)
    facts = given_weights.load(target, WeightFile(file=str(path)))
    assert same(target, state)
    assert facts == {
        "status": "ok",
        "weights": {"file": "authors.pth", "sha256": checksum(path), "part": "state_dict.module"},
    }


def test_key_and_prefix_of_the_configuration_are_used(tmp_path):
    states = [weights_of(method(seed)) for seed in (1, 2)]
    prefixed = {f"net_g.{name}": value for name, value in states[1].items()}
    torch.save({"params_ema": states[0], "a": {"params": prefixed}}, tmp_path / "x.pth")
    file, target = str(tmp_path / "x.pth"), method(3)
    given_weights.load(target, WeightFile(file=file))
    assert same(target, states[0])
    facts = given_weights.load(target, WeightFile(file=file, key="a.params", prefix="net_g."))
    assert same(target, states[1])
    assert facts["weights"]["part"] == "a.params.net_g"


def test_a_file_of_this_suite_gives_the_record_of_its_training(tmp_path):
    source, target = method(1), method(2)
    weights.save(source.network, tmp_path / "raw.safetensors")
    record = {"status": "ok", "steps": 3}
    weights.export(tmp_path / "raw.safetensors", tmp_path / "w.safetensors", record)
    assert given_weights.load(target, WeightFile(file=str(tmp_path / "w.safetensors"))) == record
    assert same(target, {n: x.half().float() for n, x in weights_of(source).items()})


def test_safetensors_without_a_record_are_loaded(tmp_path):
    state, target = weights_of(method(1)), method(2)
    save_file(state, tmp_path / "w.safetensors")
    facts = given_weights.load(target, WeightFile(file=str(tmp_path / "w.safetensors")))
    assert same(target, state) and facts["weights"]["part"] == ""


def test_a_missing_file_is_weights_missing(tmp_path):
    with pytest.raises(WeightsMissing, match=r"none\.pth is missing"):
        given_weights.load(method(), WeightFile(file=str(tmp_path / "none.pth")))


def test_weights_of_another_method_are_refused_by_name(tmp_path):
    torch.save({"params": {"conv9.weight": torch.ones(2)}}, tmp_path / "x.pth")
    with pytest.raises(UserError, match=r"x\.pth does not fit AOD-Net.*conv9.*Expected: e_conv1"):
        given_weights.load(method(), WeightFile(file=str(tmp_path / "x.pth")))
