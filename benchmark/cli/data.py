"""Verbs for data: make and pull the bundled data, fetch and check other data sets."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.app import app
from benchmark.core.errors import UserError


@app.command("make-data")
def make_data(
    photos: Annotated[Path, typer.Option(help="Folder of photographs with manifest.csv.")],
    weights: Annotated[Path, typer.Option(help="Folder of the weights of the metrics.")],
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("data"),
    seed: Annotated[int, typer.Option(help="Seed of the simulated weather.")] = 0,
    overwrite: Annotated[bool, typer.Option(help="Replace the content of the folder.")] = False,
) -> None:
    """Make the bundled data from the photographs, bit for bit."""
    from benchmark.data.make_bundle import make_data as make

    manifest = make(photos, out, seed, weights=weights, overwrite=overwrite)
    print(f"{out}: {len(manifest['files'])} files, {len(manifest['pairs'])} pairs")


@app.command("remake-pairs")
def remake_pairs(
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    data: Annotated[Path, typer.Option(help="The bundled data.")] = Path("data"),
) -> None:
    """Make the bundled pairs again from their targets; fails if a byte differs."""
    from benchmark.data.make_pairs import remake_pairs as remake

    differing = remake(data, out)
    if differing:
        raise UserError(f"{len(differing)} pairs differ from {data}: {', '.join(differing[:5])}")
    print(f"{out}: all pairs are identical to those of {data}")


@app.command()
def pull() -> None:
    """Pull the data from the DVC remote; if that fails, say what to do."""
    from benchmark.data.pull import pull as pull_data

    pull_data()


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="Name of a card in config/datasets/.")],
    sources: Annotated[
        list[str] | None,
        typer.Option("--from", help="Archive: a file or an address; may be repeated."),
    ] = None,
    accept_licence: Annotated[
        bool, typer.Option(help="Agree to the licence that is shown.")
    ] = False,
) -> None:
    """Prepare a public data set from its archives; if they do not fit its card, keep nothing."""
    from benchmark.data import cards
    from benchmark.data import fetch as fetching

    card = cards.load_card(name)
    print(fetching.terms(card))
    if not accept_licence:
        raise UserError("Add --accept-licence if you agree to the licence above.")
    counts = fetching.fetch(name, sources or [])
    print(
        f"{card.path}: {', '.join(f'{count} images in {split}' for split, count in counts.items())}"
    )


@app.command()
def verify(
    names: Annotated[list[str], typer.Argument(help="Names of cards in config/datasets/.")],
) -> None:
    """Check data sets against their cards: number, pairing, sizes, readable images, checksums."""
    from benchmark.data import cards, training_files
    from benchmark.data import fetch as fetching
    from benchmark.data.card_checks import raise_faults

    for name in names:
        cards.verify(name)
        if training_files.are_there(name):
            raise_faults(name, training_files.find_faults(name)[0])
        for split, count in fetching.check(name).items():
            print(f"{name} {split}: {count} images, content {cards.split_checksum(name, split)}")
            for line in cards.left_out(name, split):
                print(line, file=sys.stderr)
