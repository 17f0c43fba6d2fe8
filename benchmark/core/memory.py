"""The memory that tensors take, counted on any device."""

import weakref

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter


class PeakMemory(TorchDispatchMode):
    """A context that counts the bytes of all tensors that are made in it and are still alive.

    live: the bytes now. peak: the most bytes so far. A kernel's own working memory is not a tensor
    and is not counted.
    """

    def __init__(self):
        super().__init__()
        self.live = self.peak = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        known = set(_storages((args, kwargs)))
        for storage in set(_storages(result)) - known:
            self._add(storage)
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        size = storage.nbytes()
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._remove, size)

    def _remove(self, size: int) -> None:
        self.live -= size


def _storages(tree):
    return (t.untyped_storage() for t in tree_iter(tree) if isinstance(t, Tensor))
