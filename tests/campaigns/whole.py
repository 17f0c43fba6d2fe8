"""Checks that the files of a run are complete, and that two runs have the same results."""

import csv
import hashlib
import io
import json
from pathlib import Path

import torch
from safetensors.torch import load

from benchmark.core.atomic import PARTIAL
from benchmark.core.image_io import read_image

# Measured values differ between runs.
MEASURED = ("seconds", "training_seconds", "peak_memory_bytes", "finished", "device")
PARTS_OF_A_WHOLE = ("figures", "report")


def is_partial(path: Path) -> bool:
    return any(part.startswith(PARTIAL) for part in path.parts)


def files(run: Path) -> dict[str, Path]:
    """The files of a run by their path in it, without partial ones and TensorBoard's."""
    return {
        path.relative_to(run).as_posix(): path
        for path in sorted(run.rglob("*"))
        if path.is_file() and not is_partial(path) and "tfevents" not in path.name
    }


def partial_files(run: Path) -> list[str]:
    return [str(path.relative_to(run)) for path in run.rglob(f"{PARTIAL}*")]


def content(path: Path) -> str:
    """A digest of a file without measured values. Raises if the file is not complete."""
    data = path.read_bytes()
    if path.suffix == ".csv":
        rows = list(csv.DictReader(io.StringIO(data.decode()), strict=True))
        if not data.endswith(b"\n") or any(None in {*row, *row.values()} for row in rows):
            raise ValueError("a line is cut off")
        data = json.dumps([_unmeasured(row) for row in rows]).encode()
    elif path.suffix == ".json":
        data = json.dumps(_unmeasured(json.loads(data))).encode()
    elif path.suffix == ".safetensors":
        load(data)
    elif path.suffix == ".pt":
        torch.load(io.BytesIO(data), weights_only=True)
    elif path.suffix == ".png":
        read_image(path)
    elif path.suffix in (".svg", ".html") and not data.rstrip().endswith(
        f"</{path.suffix[1:]}>".encode()
    ):
        raise ValueError("its last tag is missing")
    return hashlib.sha256(data).hexdigest()


def _unmeasured(value):
    if isinstance(value, dict):
        return {k: _unmeasured(v) for k, v in value.items() if k not in MEASURED}
    return [_unmeasured(item) for item in value] if isinstance(value, list) else value


def damage(run: Path, before: dict[str, str], after: dict[str, str]) -> list[str]:
    """What a kill damaged: files that are not complete, or neither the old nor the new version.

    before, after: `contents` of the run before the verb and after an undisturbed one.
    """
    faults, found = [], files(run)
    for name, path in found.items():
        try:
            digest = content(path)
        except Exception as error:
            faults.append(f"{name} is not whole: {type(error).__name__}: {error}")
            continue
        if path.suffix != ".pt" and digest not in (before.get(name), after.get(name)):
            faults.append(f"{name} is neither the old one nor the new one")
    for folder in PARTS_OF_A_WHOLE:
        there = {name for name in found if name.startswith(f"{folder}/")}
        whole = [{n for n in state if n.startswith(f"{folder}/")} for state in (before, after)]
        if there and there not in whole:
            faults.append(f"{folder}/ lacks a part")
    return faults


def contents(run: Path) -> dict[str, str]:
    return {name: content(path) for name, path in files(run).items()}
