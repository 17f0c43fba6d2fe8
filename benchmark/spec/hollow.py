"""Replaces a method's network by one that computes nothing, to count its operations quickly."""

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
    """Inside, the networks of a learned method and of its teacher return zeros.

    They run on tensors that have a shape but no content (torch's device `meta`): a FLOP counter
    sees the operations of forward and backward, but nothing is computed. The rest of the method is
    computed as usual. The counts are those of the real network, except for the gradient of
    attention: it has four products here; the kernels that compute it need a fifth, because they
    compute the attention weights a second time.
    """
    with ExitStack() as stack:
        for learner in (method, getattr(method, "teacher", None)):
            if isinstance(learner, LearnedMethod):
                stack.callback(setattr, learner, "network", learner.network)
                learner.network = _without_content(learner.network)
        yield


def _without_content(network: nn.Module) -> nn.Module:
    """A copy on the device `meta`. Its inputs and outputs are on the CPU; `to` does not move it."""
    empty = {id(x): x.to("meta") for x in network.buffers()}
    for x in network.parameters():
        empty[id(x)] = nn.Parameter(x.detach().to("meta"), x.requires_grad)
    twin = copy.deepcopy(network, empty)
    twin.to = lambda *_, **__: twin
    twin.register_forward_pre_hook(lambda _, *inputs: _moved(inputs, "meta"), with_kwargs=True)
    twin.register_forward_hook(lambda _, inputs, output: _moved(output, "cpu"))
    return twin


def _moved(values: Any, device: str) -> Any:
    """The same nested tuples, lists and dicts, with the tensors moved to `device`."""
    return tree_map(lambda x: _Moved.apply(x, device) if isinstance(x, Tensor) else x, values)


class _Moved(torch.autograd.Function):
    """Zeros of a tensor's shape on another device; the gradient is zeros on the tensor's device."""

    @staticmethod
    def forward(ctx, x: Tensor, device: str) -> Tensor:
        ctx.device = x.device
        return torch.zeros_like(x, device=device)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        return torch.zeros_like(gradient, device=ctx.device), None
