"""Torch checkpoints from elsewhere: data are read, code in them is not run."""

import argparse
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from benchmark.errors import UserError


def read(path: str | Path) -> dict[Any, Any]:
    """The dict in a file of `torch.save` (torch 1.6 or newer), its tensors on the CPU.

    Only tensors, plain containers and `argparse.Namespace` (in which training scripts keep their
    settings) are built. Tensors are mapped from the file: what is not used is not read, and the
    file must stay while they are in use.

    Raises UserError if there is no such file, if it is not whole or not a checkpoint, if unpacking
    would need more space than the file takes, or if it asks for any other class or function.
    """
    path = Path(path)
    _check_container(path)
    try:
        with _namespaces_alone():
            content = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except Exception as error:  # a pickle that was tampered with can raise anything
        wanted = re.search(r"\bGLOBAL ([\w.]+)", str(error))
        if wanted:
            raise UserError(
                f"{path} asks for {wanted[1]}, which may run any code, and was not loaded. Get the "
                "file from its authors; if you trust it, save its tensors alone as .safetensors."
            ) from error
        raise UserError(
            f"{path} is damaged or not a torch checkpoint ({type(error).__name__}). "
            "Download it again."
        ) from error
    if not isinstance(content, dict):
        raise UserError(f"{path} holds {type(content).__name__}, not a dict of weights.")
    return content


@contextmanager
def _namespaces_alone() -> Iterator[None]:
    """Inside, torch's unpickler builds one class besides its own tensors and containers.

    The list of trusted classes is the whole process's, and parts of torch and other libraries
    lengthen it when they are imported; it is set aside here.
    """
    others = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            yield
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(others)


def _check_container(path: Path) -> None:
    """A whole zip file, the parts of which are no larger than itself: torch compresses nothing."""
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(part.file_size for part in archive.infolist())
        packed = path.stat().st_size
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from error
    except Exception as error:  # BadZipFile, and what damaged tables of contents raise besides
        raise UserError(
            f"{path} is cut off or not a torch checkpoint ({error}). Download it again."
        ) from error
    if unpacked > packed:
        raise UserError(
            f"{path} takes {packed:,} bytes and would unpack to {unpacked:,}; torch writes no such "
            "files. Get it from its authors."
        )
