"""Any file of weights becomes safetensors; code in the file is never run."""

import collections
import functools
import os
import pathlib
import pickle
import subprocess
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from benchmark.core import foreign_checkpoints
from benchmark.core.convert_weights import convert
from benchmark.core.errors import UserError
from tests.core.test_caffe import net, written


class Attributes(dict):
    """A dict with attributes, as Lightning, mmcv and addict save their settings in."""


class Buffer:
    """An object that keeps an array, as mmengine's history does."""

    def __init__(self):
        self.log = np.arange(3.0)
        self.last = collections.deque([1, 2], maxlen=2)


def tensors():
    return {"a.weight": torch.rand(2, 3), "a.bias": torch.rand(2)}


def converted(tmp_path, content, legacy=False, **part):
    path, out = tmp_path / "x.pth", tmp_path / "out" / "x.safetensors"
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    _, left_out = convert(path, out, **part)
    return load_file(out), left_out


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "old"])
def test_objects_of_other_classes_are_left_out(tmp_path, legacy):
    state = tensors()
    content = {
        "state_dict": state,
        "hyper_parameters": Attributes(lr=1, path=pathlib.PurePosixPath("x")),
        "hub": Buffer(),
        "call": functools.partial(print, "x"),
        "best": np.float64(3),
    }
    path = tmp_path / "refused.pth"
    torch.save(content, path)
    with pytest.raises(UserError, match=r"asks for .*Attributes.*convert-weights .*refused\.pth"):
        foreign_checkpoints.read_any(path)
    found, left_out = converted(tmp_path, content, legacy)
    assert {n: x.tolist() for n, x in found.items()} == {
        f"state_dict.{n}": x.tolist() for n, x in state.items()
    }
    assert f"{__name__}.Attributes" in left_out and "builtins.print" in left_out


def test_a_module_that_was_saved_whole_gives_its_weights(tmp_path):
    module = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Sequential(nn.BatchNorm2d(2)))
    found, left_out = converted(tmp_path, {"model": module})
    assert {n: x.tolist() for n, x in found.items()} == {
        f"model.{n}": x.tolist() for n, x in module.state_dict().items()
    }
    assert "torch.nn.modules.conv.Conv2d" in left_out
    assert converted(tmp_path, module)[0].keys() == module.state_dict().keys()


def test_a_part_is_converted_and_the_optimizer_is_not(tmp_path):
    content = {"params": tensors(), "optimizer": {"state": {0: torch.ones(2)}}, "g": tensors()}
    assert {*converted(tmp_path, content)[0]} == {
        f"{key}.{name}" for key in ("params", "g") for name in tensors()
    }
    assert {*converted(tmp_path, content, key="params")[0]} == {*tensors()}
    assert {*converted(tmp_path, content, prefix="params.a.")[0]} == {"weight", "bias"}
    with pytest.raises(UserError, match=r"x\.pth has no tensor below 'net'. It has params, g"):
        converted(tmp_path, content, key="net")


def test_tensors_that_share_memory_are_written_apart(tmp_path):
    whole = torch.arange(6.0).reshape(2, 3)
    found, _ = converted(tmp_path, {"a": whole, "b": whole, "c": whole.T})
    assert torch.equal(found["a"], whole) and torch.equal(found["c"], whole.T)


def test_a_caffe_model_is_converted(tmp_path):
    convert(written(tmp_path, net()), tmp_path / "o.safetensors")
    assert {*load_file(tmp_path / "o.safetensors")} == {"conv1.weight", "conv1.bias"}


class Malicious:
    """Unpickling this makes a folder."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "old"])
@pytest.mark.parametrize("kind", ["os", "subprocess", "eval", "getattr"])
def test_code_in_a_file_is_not_run(tmp_path, kind, legacy):
    made = tmp_path / "made"
    call = {
        "os": Malicious(os.mkdir, str(made)),
        "subprocess": Malicious(subprocess.call, ["mkdir", str(made)]),
        "eval": Malicious(eval, f"open({str(made)!r}, 'w')"),
        "getattr": Malicious(getattr, torch.ones(1), "shape"),
    }[kind]
    path = tmp_path / "x.pth"
    content = {"a": tensors(), "b": call}
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    try:
        _, left_out = convert(path, tmp_path / "x.safetensors")
        assert len(left_out) == 1
    except UserError as error:
        assert kind == "os" and "no weights need that" in str(error)
    assert not made.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [({"epoch": 3}, "has no tensors"), ([1, 2], "has no tensors")],
)
def test_a_file_without_tensors_is_refused(tmp_path, content, message):
    with pytest.raises(UserError, match=rf"x\.pth {message}"):
        converted(tmp_path, content)
    assert not (tmp_path / "out").exists()


def test_a_program_is_refused(tmp_path):
    """torch.jit.save writes its constants there, and code beside them."""
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        archive.writestr("x/constants.pkl", pickle.dumps((), protocol=2))
        archive.writestr("x/data.pkl", pickle.dumps({}, protocol=2))
    for use in (foreign_checkpoints.read, lambda path: convert(path, tmp_path / "o.safetensors")):
        with pytest.raises(UserError, match=r"x\.pt is a TorchScript program"):
            use(tmp_path / "x.pt")


def test_the_new_file_is_named_as_safetensors(tmp_path):
    with pytest.raises(UserError, match=r"o\.pth must end in \.safetensors"):
        convert(tmp_path / "x.pth", tmp_path / "o.pth")
