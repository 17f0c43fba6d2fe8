"""The memory that a training step takes, estimated without computing it."""

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from benchmark.core.memory import PeakMemory
from benchmark.core.seeds import named_seed
from benchmark.spec.method import LearnedMethod


def step_bytes(method: LearnedMethod, pairs: int, crop: int) -> int:
    """Largest number of bytes of float32 tensors alive at once in the loss and its gradients.

    pairs: computed at once, of `crop` × `crop` pixels. Tensors have a shape and no content. The
    weights, the optimiser's state and the kernels' own memory come in addition. The method cannot
    be trained afterwards: its gradients have no content. Raises what the method's loss raises, also
    where it needs a tensor's values.
    """
    generator = torch.Generator().manual_seed(named_seed("memory"))
    small = torch.full((1, 3, min(crop, 64), min(crop, 64)), 0.5)
    with torch.no_grad():  # a loss may load a network of its own at its first use
        method.loss(small, small, generator)
    with FakeTensorMode(allow_non_fake_inputs=True), PeakMemory() as memory:
        pair = [torch.empty(pairs, 3, crop, crop) for _ in range(2)]
        method.loss(*pair, generator).backward()
    return memory.peak
