"""Weights in safetensors files: written atomically, read strictly."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import nn

from benchmark.core.atomic import atomic_path
from benchmark.core.errors import UserError, WeightsMissing
from benchmark.core.json_io import loads
from benchmark.core.paths import from_root, where_the_data_come_from
from benchmark.core.reading import reading, regular

EXPORT_AGAIN = "train the method again, or make the file again with 'export-weights'"


def save(network: nn.Module, path: Path) -> None:
    """Write a network's parameters and buffers, float32, contiguous."""
    state = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    with atomic_path(path) as temporary:
        temporary.write_bytes(to_bytes(state))


def export(path: Path, out: Path, facts: dict[str, Any]) -> None:
    """Write a copy of a weight file in half precision, with facts of its training as JSON.

    Raises WeightsMissing or UserError as `load`.
    """
    halves = {k: v.half() if v.is_floating_point() else v for k, v in _read(path).items()}
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(out) as temporary:
        temporary.write_bytes(to_bytes(halves, {"training": json.dumps(facts)}))


def exported_facts(path: Path) -> Any:
    """The facts of the training that `export` wrote, unchecked: see `training_record.check`.

    None if the file has none, because another program wrote it. Raises as `load`.
    """
    _read(path)
    with safe_open(path, "pt") as file:
        facts = (file.metadata() or {}).get("training")
    if facts is None:
        return None
    with reading(f"{from_root(path)}: the record of its training", "valid JSON", EXPORT_AGAIN):
        return loads(facts)


def load(network: nn.Module, path: Path) -> None:
    """Load a file into a network. Every name and shape must be the network's.

    Half precision becomes float32. Raises WeightsMissing if there is no file, UserError if it is
    not a safetensors file or is of another model.
    """
    state = _read(path)
    wanted = network.state_dict()
    faults = [f"lacks {k}" for k in wanted.keys() - state.keys()]
    faults += [f"has {k}, which the model lacks" for k in state.keys() - wanted.keys()]
    faults += [
        f"has {k} of shape {tuple(state[k].shape)}, the model {tuple(wanted[k].shape)}"
        for k in wanted.keys() & state.keys()
        if wanted[k].shape != state[k].shape
    ]
    if faults:
        first = "; ".join(sorted(faults)[:3])
        raise UserError(
            f"{from_root(path)} is of another model than {type(network).__name__} with these "
            f"parameters: it {first}{' …' if len(faults) > 3 else ''} ({len(faults)} in all)."
        )
    network.load_state_dict(
        {k: v.to(torch.float32) if v.is_floating_point() else v for k, v in state.items()}
    )


def _read(path: Path) -> dict[str, torch.Tensor]:
    if not path.exists():
        raise WeightsMissing(
            f"{from_root(path)} is missing: train the method. If it is one of the bundled weights, "
            f"{where_the_data_come_from()}."
        )
    with reading(from_root(path), "a whole safetensors file", EXPORT_AGAIN):
        return load_file(regular(path))
