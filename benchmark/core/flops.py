"""Counts floating-point operations with torch's FlopCounterMode, corrected in two places.

torch's counter has no formula for attention on a CPU, so it counts 0 there. For the weight gradient
of a grouped convolution it counts a full convolution: for a depth-wise convolution that is too much
by a factor of the number of channels.
"""

import math
from collections.abc import Sequence

import torch
from torch.utils.flop_counter import (
    FlopCounterMode,
    sdpa_backward_flop_count,
    sdpa_flop_count,
)

aten = torch.ops.aten
Shape = Sequence[int]


def flop_counter() -> FlopCounterMode:
    """A context that counts floating-point operations; `get_total_flops()` returns their number."""
    formulas = {
        aten.convolution_backward: _convolution_backward,
        aten._scaled_dot_product_flash_attention_for_cpu: _attention,
        aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
    }
    _avoid_importing_the_compiler()
    return FlopCounterMode(display=False, custom_mapping=formulas)


def _avoid_importing_the_compiler() -> None:
    """Mark torch's counter as "not to be compiled", so that torch does not import its compiler.

    That import takes a second and serves only to set this mark (torch/_compile.py). The mark is on
    a private class: if torch renames the class, the import happens again. Nothing that is counted
    is ever compiled.
    """
    mode = getattr(torch.utils.flop_counter, "_FlopCounterMode", None)
    inner = getattr(getattr(mode, "__torch_dispatch__", None), "__wrapped__", None)
    if inner is not None:
        vars(inner).setdefault("__dynamo_disable", inner)


def _convolution_backward(
    out: Shape, x: Shape, weight: Shape, _bias, _stride, _padding, _dilation, transposed: bool,
    _output_padding, _groups, wanted: Sequence[bool], **_,
) -> int:  # fmt: skip
    """Each gradient, of x and of the weight, takes as many products as the convolution itself."""
    positions = math.prod((x if transposed else out)[2:])
    return 2 * x[0] * positions * math.prod(weight) * sum(wanted[:2])


def _attention(query: Shape, key: Shape, value: Shape, *_, **__) -> int:
    return sdpa_flop_count(query, key, value)


def _attention_backward(out: Shape, query: Shape, key: Shape, value: Shape, *_, **__) -> int:
    return sdpa_backward_flop_count(out, query, key, value)
