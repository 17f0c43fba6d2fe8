"""Weights are found whatever a training script put around them, and only if all of them fit."""

import argparse
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from benchmark.core import foreign_checkpoints
from benchmark.core.errors import UserError
from benchmark.core.weight_search import candidates, chosen, fitting, named_tensors


class Network(nn.Module):
    """Two layers; the authors have the second as two."""

    def __init__(self):
        super().__init__()
        self.enter = nn.Conv2d(3, 4, 1)
        self.gates = nn.Conv2d(4, 6, 1)
        self.norm = nn.BatchNorm2d(6)


NAMES = {"enter": ("conv0.0",), "gates": ("conv_i.0", "conv_f.0")}


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Network()


def authors_state(value=None):
    """A state of random values, or of one value, under the authors' names."""
    shapes = {
        "conv0.0.weight": (4, 3, 1, 1),
        "conv0.0.bias": (4,),
        "conv_i.0.weight": (3, 4, 1, 1),
        "conv_i.0.bias": (3,),
        "conv_f.0.weight": (3, 4, 1, 1),
        "conv_f.0.bias": (3,),
        "norm.weight": (6,),
        "norm.bias": (6,),
        "norm.running_mean": (6,),
        "norm.running_var": (6,),
    }
    generator = torch.Generator().manual_seed(1)
    state = OrderedDict((n, torch.rand(s, generator=generator)) for n, s in shapes.items())
    if value is not None:
        state = OrderedDict((n, torch.full_like(x, value)) for n, x in state.items())
    state["norm.num_batches_tracked"] = torch.tensor(7)
    return state


def expected(state):
    joined = {n: state[f"norm.{n}"] for n in ("weight", "bias", "running_mean", "running_var")}
    return {
        "enter.weight": state["conv0.0.weight"],
        "enter.bias": state["conv0.0.bias"],
        "gates.weight": torch.cat([state["conv_i.0.weight"], state["conv_f.0.weight"]]),
        "gates.bias": torch.cat([state["conv_i.0.bias"], state["conv_f.0.bias"]]),
        **{f"norm.{name}": value for name, value in joined.items()},
        "norm.num_batches_tracked": state["norm.num_batches_tracked"],
    }


def find(content, network, **part):
    tensors = named_tensors(content)
    if part:
        tensors = chosen(tensors, part.get("key", ""), part.get("prefix", ""), "x.pth")
    return fitting(tensors, network, NAMES, "x.pth", "Tiny")


def prefixed(state, prefix):
    return OrderedDict((prefix + name, value) for name, value in state.items())


def optimizer(state):
    """As torch.optim keeps it: two averages of each weight, by number."""
    averages = {n: {"exp_avg": x, "exp_avg_sq": x} for n, x in enumerate(state.values())}
    return {"state": averages, "param_groups": [{"lr": 1e-3, "params": [*averages]}]}


def lightning(state):
    return {
        "epoch": 3,
        "global_step": 100,
        "pytorch-lightning_version": "2.4.0",
        "state_dict": {**prefixed(state, "model."), "loss.vgg.0.weight": torch.zeros(2, 2)},
        "loops": {"fit_loop": {"state_dict": {}}},
        "callbacks": {"ModelCheckpoint": {"best_model_score": torch.tensor(31.2)}},
        "optimizer_states": [optimizer(state)],
        "hparams_name": "kwargs",
        "hyper_parameters": {"lr": 1e-3, "args": argparse.Namespace(width=4)},
    }


def mmagic(state):
    others = {"data_preprocessor.mean": torch.zeros(3, 1, 1), "step_counter": torch.tensor(5)}
    return {
        "meta": {"iter": 300000, "mmengine_version": "0.10"},
        "state_dict": {**others, **prefixed(state, "generator."), "discriminator.a": torch.ones(2)},
        "message_hub": {"log_scalars": {}},
        "optimizer": optimizer(state),
    }


WRAPPINGS = {
    "plain": lambda s: s,
    "module.": lambda s: prefixed(s, "module."),
    "net.": lambda s: prefixed(s, "net."),
    "model.": lambda s: prefixed(s, "model."),
    "_orig_mod.": lambda s: prefixed(s, "_orig_mod."),
    "generator.": lambda s: prefixed(s, "generator."),
    "net_g.": lambda s: prefixed(s, "net_g."),
    "netG.": lambda s: prefixed(s, "netG."),
    "network.": lambda s: prefixed(s, "network."),
    "module._orig_mod.": lambda s: prefixed(s, "module._orig_mod."),
    "_orig_mod.module.model.": lambda s: prefixed(s, "_orig_mod.module.model."),
    "its own word": lambda s: prefixed(s, "derain_net."),
    "params": lambda s: {"params": s},
    "params_ema": lambda s: {"params_ema": s},
    "ema": lambda s: {"ema": s},
    "state_dict": lambda s: {"state_dict": s},
    "model_state_dict": lambda s: {"epoch": 2, "model_state_dict": s},
    "model": lambda s: {"model": s, "optimizer": optimizer(s), "step": 3},
    "net": lambda s: {"net": s, "acc": 30.1},
    "weights": lambda s: {"weights": s},
    "network": lambda s: {"network": s},
    "params and module.": lambda s: {"params": prefixed(s, "module.")},
    "state_dict and module.": lambda s: {"epoch": 9, "state_dict": prefixed(s, "module.")},
    "state_dict in model": lambda s: {"model": {"state_dict": s}, "args": argparse.Namespace(a=1)},
    "three dicts": lambda s: {"a": {"b": {"c": prefixed(s, "module.")}}},
    "beside a number": lambda s: {**s, "epoch": 4},
    "beside NumPy's numbers": lambda s: {"state_dict": s, "best_psnr": np.float64(37.5)},
    "beside other NumPy": lambda s: {"net": s, "best": np.float32(1), "n": np.int64(3)},
    "beside a discriminator": lambda s: {"params": s, "params_d": {"a.weight": torch.ones(2)}},
    "beside thop's counters": lambda s: {**s, "total_ops": torch.ones(1), "conv0.total_params": 1},
    "half precision": lambda s: {
        n: x.half() if x.is_floating_point() else x for n, x in s.items()
    },
    "parameters": lambda s: {
        n: nn.Parameter(x, requires_grad=x.is_floating_point()) for n, x in s.items()
    },
    "lightning": lightning,
    "mmagic": mmagic,
}  # fmt: skip


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "old"])
@pytest.mark.parametrize("name", WRAPPINGS)
def test_every_wrapping_gives_the_same_weights(name, legacy, network, tmp_path):
    state, path = authors_state(), tmp_path / "x.pth"
    torch.save(WRAPPINGS[name](state), path, _use_new_zipfile_serialization=not legacy)
    found = find(foreign_checkpoints.read_any(path), network)
    assert found.authors_names
    found = found.state
    network.load_state_dict(found)  # strict
    tolerance = 1e-3 if name == "half precision" else 0
    for key, value in expected(state).items():
        assert found[key].dtype == value.dtype
        assert torch.allclose(found[key], value, rtol=0, atol=tolerance)


def test_the_networks_own_names_are_found_too(network):
    state = {f"module.{name}": value for name, value in network.state_dict().items()}
    found = find({"params": state}, network)
    assert (found.part, found.authors_names) == ("params.module", False)
    assert all(torch.equal(found.state[name], x) for name, x in network.state_dict().items())


@pytest.mark.parametrize(
    ("averaged", "other"),
    [
        ("params_ema", "params"),
        ("ema", "model"),
        ("model_ema", "model"),
        ("state_dict_ema", "state_dict"),
    ],
)
def test_averaged_weights_come_first(averaged, other, network):
    """Authors score with them: BasicSR, timm."""
    for order in ((averaged, other), (other, averaged)):
        content = {key: authors_state(2 if key == averaged else 1) for key in order}
        found = find(content, network)
        assert found.part == averaged
        assert found.state["enter.weight"].unique().tolist() == [2]


def test_averaged_weights_below_one_key_come_first(network):
    state = prefixed(authors_state(1), "generator.") | prefixed(authors_state(2), "generator_ema.")
    assert find({"state_dict": state}, network).part == "state_dict.generator_ema"


def test_an_ending_that_only_sounds_like_an_average_is_none(network):
    content = {"schema": authors_state(2), "a": authors_state(1)}
    assert find(content, network).part == "a"


def test_key_and_prefix_choose_another_part(network):
    content = {"params_ema": authors_state(2), "params": prefixed(authors_state(1), "net_g.")}
    assert find(content, network, key="params").state["norm.bias"].unique().tolist() == [1]
    assert find(content, network, key="params", prefix="net_g.").part == ""
    assert find(content, network, prefix="params_ema").state["norm.bias"].unique().tolist() == [2]
    with pytest.raises(UserError, match=r"x\.pth has no tensor below 'param'.*params_ema, params"):
        find(content, network, key="param")


def changed(**changes):
    state = authors_state()
    for name, value in changes.items():
        state[name.replace("__", ".")] = value
    return state


def without(name):
    state = authors_state()
    del state[name]
    return state


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (without("conv_f.0.bias"), r"Lacking: conv_f\.0\.bias\."),
        (changed(more=torch.ones(2)), r"Unknown: more\."),
        (
            changed(conv0__0__weight=torch.ones(8, 3, 1, 1)),
            r"Of another shape: conv0\.0\.weight is 8×3×1×1, not 4×3×1×1\.",
        ),
        # One gate has too many channels and the other too few: together they would fit.
        (
            changed(conv_i__0__bias=torch.ones(2), conv_f__0__bias=torch.ones(4)),
            r"conv_i\.0\.bias is 2, not 3, conv_f\.0\.bias is 4, not 3",
        ),
        ({}, r"Expected: conv0\.0\.weight 4×3×1×1, .*Lacking: conv0"),
    ],
)
def test_what_does_not_fit_is_named(state, message, network):
    with pytest.raises(UserError, match=rf"x\.pth does not fit Tiny with these.*{message}"):
        find({"state_dict": state}, network)


def test_a_refusal_lists_the_names_inside_and_those_expected(network):
    content = {"epoch": 1, "state_dict": prefixed(without("norm.bias"), "module.")}
    with pytest.raises(UserError) as caught:
        find(content, network)
    message = str(caught.value)
    assert "It has below 'state_dict.module': conv0.0.weight 4×3×1×1, conv0.0.bias 4" in message
    assert "(10 in all). Expected: conv0.0.weight 4×3×1×1" in message


def test_a_network_without_names_of_authors_shows_its_own(network):
    with pytest.raises(UserError, match=r"Expected: enter\.weight 4×3×1×1"):
        fitting({}, network, {}, "x.pth", "Tiny")


def test_candidates_are_parts_below_names_of_wrappers():
    state = {"a.weight": torch.ones(1)}
    content = {"optimizer": {"state": {0: state}}, "params": prefixed(state, "module.")}
    found = [sorted(part) for part in candidates(named_tensors(content))]
    assert found == [
        ["optimizer.state.0.a.weight", "params.module.a.weight"],
        ["module.a.weight"],
        ["a.weight"],
    ]
