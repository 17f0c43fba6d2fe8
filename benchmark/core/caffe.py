"""Reads the weights in a Caffe model, a file of Protocol Buffers, without Caffe.

Only what weights need is read: names of layers, and their arrays ("blobs"). The numbers of fields
are those of Caffe's `src/caffe/proto/caffe.proto`; the encoding is
https://protobuf.dev/programming-guides/encoding/.
"""

from collections.abc import Iterator
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmark.core.reading import reading, regular

# Fields of a net that are layers, and in each the fields of its name and blobs. Files from before
# 2014 have field 2.
LAYERS = {100: {"name": 1, "blobs": 7}, 2: {"name": 4, "blobs": 6}}
FLOATS, DOUBLES, SHAPE = 5, 8, 7  # fields of a blob
OLD_SHAPE = (1, 2, 3, 4)  # number, channels, height, width
PARTS = ("weight", "bias")  # the first two blobs of a layer
BYTES_OF = {1: 8, 5: 4}  # wire types of a fixed length


def read_caffemodel(path: str | Path) -> dict[str, Tensor]:
    """The weights in a `.caffemodel`: float32 tensors by `LAYER.weight` and `LAYER.bias`.

    The weight of a convolution is (outputs, inputs, height, width), as in torch. Further blobs of a
    layer are `LAYER.2`, `LAYER.3`, … Raises UserError if the file is missing, damaged or has no
    weights.
    """
    with reading(path, "a Caffe model", "download it again"):
        weights = {}
        for number, layer in _fields(memoryview(regular(Path(path)).read_bytes())):
            if number in LAYERS and not isinstance(layer, int):
                weights |= _weights_of(layer, **LAYERS[number])
        if not weights:
            raise ValueError("it has no layer with weights")
    return weights


def _weights_of(layer: memoryview, name: int, blobs: int) -> dict[str, Tensor]:
    fields = list(_fields(layer))
    title = next((bytes(value).decode() for number, value in fields if number == name), "")
    arrays = [_array(value) for number, value in fields if number == blobs]
    parts = [*PARTS, *map(str, range(len(PARTS), len(arrays)))]
    return {f"{title}.{part}": array for part, array in zip(parts, arrays, strict=False)}


def _array(blob: memoryview) -> Tensor:
    """A blob as a float32 tensor. Raises ValueError if its length is not that of its shape."""
    fields = list(_fields(blob))
    values = [
        np.frombuffer(value, "<f4" if number == FLOATS else "<f8")
        for number, value in fields
        if number in (FLOATS, DOUBLES)
    ]
    data = np.concatenate(values).astype(np.float32) if values else np.zeros(0, np.float32)
    shape = _shape(dict(fields))
    if prod(shape) != len(data):
        raise ValueError(f"a blob of shape {shape} has {len(data)} values")
    return torch.from_numpy(data).reshape(shape)


def _shape(fields: dict[int, int | memoryview]) -> list[int]:
    if SHAPE in fields:
        sizes = []
        for _, value in _fields(fields[SHAPE]):
            sizes += [value] if isinstance(value, int) else _varints(value)
        return sizes
    sizes = [fields.get(number, 1) for number in OLD_SHAPE]
    return sizes[3:] if sizes[:3] == [1, 1, 1] else sizes  # a bias had four sizes too


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field: an integer, or the bytes of anything else.

    Raises ValueError if the message is cut off or is none.
    """
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, place = _varint(message, place)
        else:
            length = BYTES_OF.get(wire)
            if wire == 2:
                length, place = _varint(message, place)
            if not number or length is None or place + length > len(message):
                raise ValueError("it is cut off or has another format")
            value, place = message[place : place + length], place + length
        yield number, value


def _varints(packed: memoryview) -> list[int]:
    values, place = [], 0
    while place < len(packed):
        value, place = _varint(packed, place)
        values.append(value)
    return values


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    """An integer of seven bits a byte, lowest first, and the place after it."""
    value = shift = 0
    while place < len(message) and shift < 64:
        byte = message[place]
        value, shift, place = value | (byte & 0x7F) << shift, shift + 7, place + 1
        if byte < 0x80:
            return value, place
    raise ValueError("it is cut off or has another format")
