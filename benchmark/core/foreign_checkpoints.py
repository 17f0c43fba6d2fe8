"""Checkpoints from other projects: their data are read, code in them is never run."""

import argparse
import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from benchmark.core.caffe import read_caffemodel
from benchmark.core.errors import UserError
from benchmark.core.reading import reading, regular
from benchmark.core.stand_ins import NUMBERS, stand_in

# How files of torch 1.5 and older start: a pickle of torch.serialization.MAGIC_NUMBER.
LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."


def read_any(path: str | Path) -> dict[Any, Any]:
    """The content of a file of weights: `.safetensors`, `.caffemodel`, or else of `torch.save`.

    Raises UserError as the reader of its kind.
    """
    return READERS.get(Path(path).suffix.lower(), read)(path)


def read_safetensors(path: str | Path) -> dict[str, Tensor]:
    """The tensors in a safetensors file, on the CPU; UserError if it is missing or damaged."""
    remedy = "remove it and download or convert the weights again"
    with reading(path, "a whole safetensors file", remedy):
        return load_file(regular(Path(path)))


# By suffix; files with any other are read as those of `torch.save`.
READERS = {".safetensors": read_safetensors, ".caffemodel": read_caffemodel}


def read(path: str | Path) -> dict[Any, Any]:
    """The dict in a file of `torch.save`, its tensors on the CPU.

    Only tensors, plain containers and `argparse.Namespace` (in which training scripts keep their
    settings) are built; a NumPy number becomes an empty object. Tensors of a file of torch 1.6 or
    newer are mapped into memory: unused ones are not read, and the file must stay while the tensors
    are in use.

    Raises UserError if the file is missing, damaged or not a checkpoint, if it would unpack to more
    bytes than it has, or if it asks for any other class or function.
    """
    path = Path(path)
    legacy = _checked(path)
    try:
        content = _load(path, legacy, ())
    except _NotTrusted as error:
        raise UserError(
            f"{path} asks for {error}, which may run any code, and was not loaded. Its tensors "
            "alone can be read without it: python -m benchmark convert-weights "
            f"{path} OUT.safetensors"
        ) from error
    if not isinstance(content, dict):
        raise UserError(f"{path} holds {type(content).__name__}, not a dict of weights.")
    return content


def read_tensors_only(path: str | Path) -> tuple[Any, list[str]]:
    """What a file of `torch.save` holds, and the names of classes and functions that were left out.

    Their objects are replaced (see `stand_ins`): no code of the file or of its classes is run.
    Raises UserError as `read`; of names, only those of `os`, `sys` and their like are refused.
    """
    path, left_out = Path(path), []
    legacy = _checked(path)
    while True:
        try:
            return _load(path, legacy, left_out), left_out
        except _NotTrusted as error:
            name = str(error) if "." in str(error) else f"builtins.{error}"
            if name in left_out:  # torch refuses a few modules of Python's under any circumstances
                raise UserError(
                    f"{path} asks for {error}: no weights need that. Get it from its authors."
                ) from error
            left_out.append(name)


class _NotTrusted(Exception):
    """A file asks for a class or function, which is the error's text."""


def _load(path: Path, legacy: bool, left_out: Sequence[str]) -> Any:
    try:
        with _trusted(left_out):
            return torch.load(path, map_location="cpu", mmap=not legacy, weights_only=True)
    except Exception as error:  # a manipulated pickle can raise anything
        wanted = re.search(r"\bGLOBAL ([\w.]+)", str(error))
        if wanted:
            raise _NotTrusted(wanted[1]) from error
        raise UserError(
            f"{path} is damaged or not a torch checkpoint ({type(error).__name__}). "
            "Download it again."
        ) from error


@contextmanager
def _trusted(left_out: Sequence[str]) -> Iterator[None]:
    """Inside, torch's unpickler trusts `argparse.Namespace`, and no other class.

    Objects of the names in `left_out` and NumPy's numbers are replaced. torch keeps one list of
    trusted classes for the process, and libraries add to it when they are imported. Inside, that
    list is replaced; at the end it is restored.
    """
    others = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    try:
        replaced = [stand_in(name) for name in (*NUMBERS, *left_out)]
        with torch.serialization.safe_globals([argparse.Namespace, *replaced]):
            yield
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(others)


def _checked(path: Path) -> bool:
    """Whether a file has the format of torch 1.5 and older. UserError unless it is sound."""
    legacy = _is_legacy(path)
    if not legacy:
        _check_container(path)
    return legacy


def _is_legacy(path: Path) -> bool:
    remedy = "check the path, or download the file again"
    with reading(path, "a torch checkpoint", remedy), regular(path).open("rb") as file:
        return file.read(len(LEGACY)) == LEGACY


def _check_container(path: Path) -> None:
    """Raise UserError unless this is a whole zip file of tensors.

    It must unpack to no more than its own size, because torch does not compress.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(part.file_size for part in archive.infolist())
            is_program = any(Path(name).name == "constants.pkl" for name in archive.namelist())
        packed = path.stat().st_size
    except Exception as error:  # BadZipFile; a damaged table of contents raises other kinds
        raise UserError(
            f"{path} is cut off or not a torch checkpoint ({error}). Download it again."
        ) from error
    if is_program:
        raise UserError(
            f"{path} is a TorchScript program, not a checkpoint; programs of others are not run. "
            "Get the weights from its authors."
        )
    if unpacked > packed:
        raise UserError(
            f"{path} has {packed:,} bytes and would unpack to {unpacked:,}; torch writes no such "
            "files. Get it from its authors."
        )
