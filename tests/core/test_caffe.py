"""The reader of Caffe models, on files that this test writes by Caffe's own message definitions."""

import numpy as np
import pytest
import torch

from benchmark.core.caffe import read_caffemodel
from benchmark.core.errors import UserError

protobuf = pytest.importorskip("google.protobuf")


def messages(**kinds):
    """Classes of messages; kinds: name -> [(field, number, type, repeated, packed)]."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="caffe.proto", package="c", syntax="proto2")
    for kind, fields in kinds.items():
        message = file.message_type.add(name=kind)
        for name, number, type_name, repeated, packed in fields:
            field = message.field.add(name=name, number=number, label=3 if repeated else 1)
            if type_name in kinds:
                field.type, field.type_name = field.TYPE_MESSAGE, f".c.{type_name}"
            else:
                field.type = getattr(field, f"TYPE_{type_name}")
            if packed:
                field.options.packed = True
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        kind: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"c.{kind}"))
        for kind in kinds
    }


# The part of caffe.proto that a file of weights uses.
CAFFE = messages(
    Shape=[("dim", 1, "INT64", True, True)],
    Blob=[
        ("num", 1, "INT32", False, False),
        ("channels", 2, "INT32", False, False),
        ("height", 3, "INT32", False, False),
        ("width", 4, "INT32", False, False),
        ("data", 5, "FLOAT", True, True),
        ("shape", 7, "Shape", False, False),
        ("double_data", 8, "DOUBLE", True, True),
    ],
    Layer=[
        ("name", 1, "STRING", False, False),
        ("type", 2, "STRING", False, False),
        ("loss_weight", 5, "FLOAT", True, False),
        ("blobs", 7, "Blob", True, False),
    ],
    OldLayer=[
        ("name", 4, "STRING", False, False),
        ("type", 5, "INT32", False, False),
        ("blobs", 6, "Blob", True, False),
    ],
    Net=[
        ("name", 1, "STRING", False, False),
        ("layers", 2, "OldLayer", True, False),
        ("layer", 100, "Layer", True, False),
    ],
)


def blob(array, double=False):
    data = {"double_data" if double else "data": array.ravel().tolist()}
    return CAFFE["Blob"](shape=CAFFE["Shape"](dim=array.shape), **data)


def arrays():
    rng = np.random.default_rng(0)
    return rng.random((5, 3, 2, 2), np.float32), rng.random(5, np.float32)


def net(**more):
    weight, bias = arrays()
    layers = [
        CAFFE["Layer"](name="data", type="Input"),
        CAFFE["Layer"](
            name="conv1", type="Convolution", loss_weight=[1.0], blobs=[blob(weight), blob(bias)]
        ),
    ]
    return CAFFE["Net"](name="tiny", layer=layers, **more)


def written(tmp_path, message):
    path = tmp_path / "x.caffemodel"
    path.write_bytes(message.SerializeToString())
    return path


def test_weights_and_biases_of_each_layer_are_read(tmp_path):
    found = read_caffemodel(written(tmp_path, net()))
    weight, bias = arrays()
    assert [*found] == ["conv1.weight", "conv1.bias"]
    assert np.array_equal(found["conv1.weight"], weight)
    assert np.array_equal(found["conv1.bias"], bias)
    assert found["conv1.weight"].dtype == torch.float32


def test_files_from_before_2014_are_read(tmp_path):
    weight, bias = arrays()
    sizes = {"num": 1, "channels": 1, "height": 1, "width": 5}
    blobs = [
        CAFFE["Blob"](num=5, channels=3, height=2, width=2, data=weight.ravel().tolist()),
        CAFFE["Blob"](**sizes, data=bias.tolist()),
    ]
    old = CAFFE["OldLayer"](name="conv1", type=4, blobs=blobs)
    found = read_caffemodel(written(tmp_path, CAFFE["Net"](layers=[old])))
    assert np.array_equal(found["conv1.weight"], weight)
    assert np.array_equal(found["conv1.bias"], bias)


def test_doubles_and_further_blobs_are_read(tmp_path):
    weight, bias = arrays()
    blobs = [blob(weight, double=True), blob(bias), blob(bias[:1])]
    layer = CAFFE["Layer"](name="bn", blobs=blobs)
    found = read_caffemodel(written(tmp_path, CAFFE["Net"](layer=[layer])))
    assert np.array_equal(found["bn.weight"], weight)
    assert found["bn.2"].shape == (1,)


def wrong_length():
    bad = CAFFE["Blob"](shape=CAFFE["Shape"](dim=[2, 2]), data=[1.0])
    return CAFFE["Net"](layer=[CAFFE["Layer"](name="a", blobs=[bad])]).SerializeToString()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (net().SerializeToString()[:-3], "cut off"),
        (b"<html>404</html>", "cut off or has another format"),
        (b"", "no layer with weights"),
        (CAFFE["Net"](name="x").SerializeToString(), "no layer with weights"),
        (wrong_length(), r"a blob of shape \[2, 2\] has 1 values"),
        (b"\xff" * 20, "cut off or has another format"),
    ],
)
def test_other_files_are_refused_by_name(tmp_path, content, message):
    path = tmp_path / "x.caffemodel"
    path.write_bytes(content)
    with pytest.raises(UserError, match=rf"x\.caffemodel is not a Caffe model \(.*{message}"):
        read_caffemodel(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"none\.caffemodel is missing"):
        read_caffemodel(tmp_path / "none.caffemodel")
