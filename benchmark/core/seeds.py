"""Random generators seeded by names: a new method or image does not change the others' numbers."""

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def named_seed(*parts: str | int) -> int:
    """A 63-bit seed from names and numbers, e.g. `named_seed("restore", method, image, 0)`.

    The same parts give the same seed on every machine and in every order of use.
    """
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def numpy_generator(*parts: str | int) -> np.random.Generator:
    """A NumPy generator with the seed `named_seed(*parts)`."""
    return np.random.default_rng(named_seed(*parts))


def torch_generator(*parts: str | int) -> "torch.Generator":
    """A torch generator with the seed `named_seed(*parts)`.

    It is always on the CPU, so that runs on a CPU and on a GPU start from the same noise.
    """
    import torch

    return torch.Generator().manual_seed(named_seed(*parts))
