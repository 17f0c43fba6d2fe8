"""Checkpoints from elsewhere: data are read, code in them is not run."""

import argparse
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from benchmark.core.errors import UserError

# How files of torch 1.5 and older start: a pickle of torch.serialization.MAGIC_NUMBER.
LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."


def read_safetensors(path: str | Path) -> dict[str, Tensor]:
    """The tensors in a safetensors file, on the CPU; UserError if it is not a whole one."""
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise UserError(
            f"{path} is not a whole safetensors file ({error}). Remove it and download or convert "
            "the weights again."
        ) from error


def read(path: str | Path) -> dict[Any, Any]:
    """The dict in a file of `torch.save`, its tensors on the CPU.

    Only tensors, plain containers and `argparse.Namespace` (in which training scripts keep their
    settings) are built. Tensors are mapped from the file (of torch 1.6 or newer): what is not used
    is not read, and the file must stay while they are in use.

    Raises UserError if there is no such file, if it is not whole or not a checkpoint, if unpacking
    would need more space than the file takes, or if it asks for any other class or function.
    """
    path = Path(path)
    legacy = _is_legacy(path)
    if not legacy:
        _check_container(path)
    try:
        with _namespaces_alone():
            content = torch.load(path, map_location="cpu", mmap=not legacy, weights_only=True)
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


def _is_legacy(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(LEGACY)) == LEGACY
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from error


def _check_container(path: Path) -> None:
    """A whole zip file, the parts of which are no larger than itself: torch compresses nothing."""
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(part.file_size for part in archive.infolist())
        packed = path.stat().st_size
    except Exception as error:  # BadZipFile, and what damaged tables of contents raise besides
        raise UserError(
            f"{path} is cut off or not a torch checkpoint ({error}). Download it again."
        ) from error
    if unpacked > packed:
        raise UserError(
            f"{path} takes {packed:,} bytes and would unpack to {unpacked:,}; torch writes no such "
            "files. Get it from its authors."
        )
