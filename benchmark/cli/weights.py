"""The verb that converts weight files of other programs."""

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.app import app


@app.command("convert-weights")
def convert_weights(
    file: Annotated[Path, typer.Argument(help="File of torch.save, .safetensors or .caffemodel.")],
    out: Annotated[Path, typer.Argument(help="The .safetensors file to write.")],
    key: Annotated[str, typer.Option(help="Keys of nested dicts, joined by dots.")] = "",
    prefix: Annotated[str, typer.Option(help="Beginning of the names to keep.")] = "",
) -> None:
    """Copy the tensors of a weight file into a .safetensors file, without running code of it."""
    from benchmark.core.convert_weights import convert
    from benchmark.core.weight_search import summary

    tensors, left_out = convert(file, out, key, prefix)
    print(f"{out}: {summary(tensors)}")
    if left_out:
        print(f"left out: objects of {', '.join(left_out)}")
