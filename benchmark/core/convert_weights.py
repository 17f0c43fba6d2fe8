"""Copies the tensors of any file of weights into a safetensors file."""

from pathlib import Path

from safetensors.torch import save as to_bytes

from benchmark.core import foreign_checkpoints
from benchmark.core.atomic import atomic_path
from benchmark.core.errors import UserError
from benchmark.core.weight_search import Tensors, chosen, named_tensors


def convert(path: Path, out: Path, key: str = "", prefix: str = "") -> tuple[Tensors, list[str]]:
    """Write the tensors of a file, or of the part that key and prefix name; no code of it is run.

    A name is the keys of the nested dicts that lead to the tensor, joined by dots. Those of an
    optimiser are not written. Returns the tensors, and the names of classes and functions whose
    objects were left out. Raises UserError if the file is missing, damaged or has no such tensors,
    or if `out` is no `.safetensors` file.
    """
    if out.suffix != ".safetensors":
        raise UserError(f"{out} must end in .safetensors.")
    left_out: list[str] = []
    if path.suffix.lower() in foreign_checkpoints.READERS:
        content = foreign_checkpoints.read_any(path)
    else:
        content, left_out = foreign_checkpoints.read_tensors_only(path)
    tensors = {
        name: tensor
        for name, tensor in named_tensors(content).items()
        if not any(word.startswith("optim") for word in name.lower().split("."))
    }
    if not tensors:
        raise UserError(f"{path} has no tensors. Is it a file of weights?")
    if key or prefix:
        tensors = chosen(tensors, key, prefix, str(path))
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(out) as temporary:
        # Copies, because tensors of a file may share memory.
        temporary.write_bytes(to_bytes({n: x.contiguous().clone() for n, x in tensors.items()}))
    return tensors, left_out
