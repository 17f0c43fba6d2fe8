"""torch's FlopCounterMode, mended where it miscounts what the denoisers do, and without arithmetic.

It knows attention only by the names of its GPU kernels, so that on a CPU attention counts nothing;
and it takes the weight gradient of a grouped convolution for that of a full one, which for a
depth-wise convolution is as many times too much as there are channels.
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
    """A context that counts floating-point operations; see `get_total_flops()`."""
    formulas = {
        aten.convolution_backward: _convolution_backward,
        aten._scaled_dot_product_flash_attention_for_cpu: _attention,
        aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
    }
    _keep_the_compiler_away()
    return FlopCounterMode(display=False, custom_mapping=formulas)


def _keep_the_compiler_away() -> None:
    """Spare a process the import of torch's compiler, which takes a second.

    torch imports it only to tell it not to compile the counter, and notes by this mark on a private
    class (torch/_compile.py) that it has. Without such a class nothing is spared. What is counted
    here is never compiled.
    """
    mode = getattr(torch.utils.flop_counter, "_FlopCounterMode", None)
    inner = getattr(getattr(mode, "__torch_dispatch__", None), "__wrapped__", None)
    if inner is not None:
        vars(inner).setdefault("__dynamo_disable", inner)


def _convolution_backward(
    out: Shape, x: Shape, weight: Shape, _bias, _stride, _padding, _dilation, transposed: bool,
    _output_padding, _groups, wanted: Sequence[bool], **_,
) -> int:  # fmt: skip
    """Either gradient, of x and of the weight, takes as many products as the convolution did."""
    positions = math.prod((x if transposed else out)[2:])
    return 2 * x[0] * positions * math.prod(weight) * sum(wanted[:2])


def _attention(query: Shape, key: Shape, value: Shape, *_, **__) -> int:
    return sdpa_flop_count(query, key, value)


def _attention_backward(out: Shape, query: Shape, key: Shape, value: Shape, *_, **__) -> int:
    return sdpa_backward_flop_count(out, query, key, value)
