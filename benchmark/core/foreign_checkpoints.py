"""Checkpoints from other projects: their data are read, code in them is never run."""

import argparse
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from benchmark.core.errors import UserError
from benchmark.core.reading import reading

# How files of torch 1.5 and older start: a pickle of torch.serialization.MAGIC_NUMBER.
LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."


def read_safetensors(path: str | Path) -> dict[str, Tensor]:
    """The tensors in a safetensors file, on the CPU; UserError if it is missing or damaged."""
    remedy = "remove it and download or convert the weights again"
    with reading(path, "a whole safetensors file", remedy):
        return load_file(path)


def read(path: str | Path) -> dict[Any, Any]:
    """The dict in a file of `torch.save`, its tensors on the CPU.

    Only tensors, plain containers and `argparse.Namespace` (in which training scripts keep their
    settings) are built. Tensors of a file of torch 1.6 or newer are mapped into memory: unused ones
    are not read, and the file must stay while the tensors are in use.

    Raises UserError if the file is missing, damaged or not a checkpoint, if it would unpack to more
    bytes than it has, or if it asks for any other class or function.
    """
    path = Path(path)
    legacy = _is_legacy(path)
    if not legacy:
        _check_container(path)
    try:
        with _only_namespaces_trusted():
            content = torch.load(path, map_location="cpu", mmap=not legacy, weights_only=True)
    except Exception as error:  # a manipulated pickle can raise anything
        wanted = re.search(r"\bGLOBAL ([\w.]+)", str(error))
        if wanted:
            raise UserError(
                f"{path} asks for {wanted[1]}, which may run any code, and was not loaded. Get the "
                "file from its authors; if you trust it, save only its tensors, as .safetensors."
            ) from error
        raise UserError(
            f"{path} is damaged or not a torch checkpoint ({type(error).__name__}). "
            "Download it again."
        ) from error
    if not isinstance(content, dict):
        raise UserError(f"{path} holds {type(content).__name__}, not a dict of weights.")
    return content


@contextmanager
def _only_namespaces_trusted() -> Iterator[None]:
    """Inside, torch's unpickler trusts `argparse.Namespace` and no other class.

    torch keeps one list of trusted classes for the process, and libraries add to it when they are
    imported. Inside, that list is replaced; at the end it is restored.
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
    remedy = "check the path, or download the file again"
    with reading(path, "a torch checkpoint", remedy), path.open("rb") as file:
        return file.read(len(LEGACY)) == LEGACY


def _check_container(path: Path) -> None:
    """Raise UserError unless this is a whole zip file that unpacks to no more than its own size.

    torch does not compress: a file that unpacks to more is not torch's.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(part.file_size for part in archive.infolist())
        packed = path.stat().st_size
    except Exception as error:  # BadZipFile; a damaged table of contents raises other kinds
        raise UserError(
            f"{path} is cut off or not a torch checkpoint ({error}). Download it again."
        ) from error
    if unpacked > packed:
        raise UserError(
            f"{path} has {packed:,} bytes and would unpack to {unpacked:,}; torch writes no such "
            "files. Get it from its authors."
        )
