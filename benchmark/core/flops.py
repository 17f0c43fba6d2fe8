"""torch's FlopCounterMode, mended where it miscounts what the denoisers do, and without arithmetic.

It knows attention only by the names of its GPU kernels, so that on a CPU attention counts nothing;
and it takes the weight gradient of a grouped convolution for that of a full one, which for a
depth-wise convolution is as many times too much as there are channels.
"""

import copy
import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map
from torch.utils.flop_counter import (
    FlopCounterMode,
    sdpa_backward_flop_count,
    sdpa_flop_count,
)

from benchmark.spec.method import LearnedMethod, Method

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


@contextmanager
def hollow(method: Method) -> Iterator[None]:
    """Inside, a learned method's network, and its teacher's, give zeros and compute nothing.

    They still run, on tensors that have a shape and no content (torch's device `meta`), so that a
    flop counter sees the operations of forward and backward; all else of the method is computed.
    Counts are as with content, but for attention's gradient: it has four products here, where the
    kernels that compute it make the weights anew, a fifth.
    """
    with ExitStack() as stack:
        for learner in (method, getattr(method, "teacher", None)):
            if isinstance(learner, LearnedMethod):
                stack.callback(setattr, learner, "network", learner.network)
                learner.network = _emptied(learner.network)
        yield


def _emptied(network: nn.Module) -> nn.Module:
    """A copy without weights that takes and gives tensors of the CPU, and stays where it is."""
    empty = {id(x): x.to("meta") for x in network.buffers()}
    for x in network.parameters():
        empty[id(x)] = nn.Parameter(x.detach().to("meta"), x.requires_grad)
    twin = copy.deepcopy(network, empty)
    twin.to = lambda *_, **__: twin
    twin.register_forward_pre_hook(lambda _, *inputs: _moved(inputs, "meta"), with_kwargs=True)
    twin.register_forward_hook(lambda _, inputs, output: _moved(output, "cpu"))
    return twin


def _moved(values: Any, device: str) -> Any:
    """The same nest of tuples, lists and dicts, its tensors moved."""
    return tree_map(lambda x: _Moved.apply(x, device) if isinstance(x, Tensor) else x, values)


class _Moved(torch.autograd.Function):
    """Zeros of a tensor's shape on another device; its gradient comes back as zeros too."""

    @staticmethod
    def forward(ctx, x: Tensor, device: str) -> Tensor:
        ctx.device = x.device
        return torch.zeros_like(x, device=device)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        return torch.zeros_like(gradient, device=ctx.device), None


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
