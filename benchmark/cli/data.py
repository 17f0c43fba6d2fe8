"""Making the bundled data, and checking that they can be made again."""

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.app import app
from benchmark.errors import UserError


@app.command("make-data")
def make_data(
    photos: Annotated[Path, typer.Option(help="Folder of photographs with manifest.csv.")],
    weights: Annotated[Path, typer.Option(help="Folder of the metrics' weights.")],
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("data"),
    seed: Annotated[int, typer.Option(help="Seed of the simulated weather.")] = 0,
    overwrite: Annotated[bool, typer.Option(help="Replace what is in the folder.")] = False,
) -> None:
    """Make the bundled data from the photographs, bit for bit."""
    from benchmark.make_data import make_data as make

    manifest = make(photos, out, seed, weights=weights, overwrite=overwrite)
    print(f"{out}: {len(manifest['files'])} files, {len(manifest['pairs'])} pairs")


@app.command("remake-pairs")
def remake_pairs(
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    data: Annotated[Path, typer.Option(help="The bundled data.")] = Path("data"),
) -> None:
    """Make the bundled pairs anew from their targets; fails if a byte differs."""
    from benchmark.make_pairs import remake_pairs as remake

    differing = remake(data, out)
    if differing:
        raise UserError(f"{len(differing)} pairs differ from {data}: {', '.join(differing[:5])}")
    print(f"{out}: all pairs are identical to those of {data}")
