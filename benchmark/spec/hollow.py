"""Methods whose networks compute nothing, for counting what they would compute."""

import copy
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from benchmark.spec.method import LearnedMethod, Method


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
