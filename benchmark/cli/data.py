"""Verbs for data: make and pull the bundled data, fetch and check other data sets."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.app import verb
from benchmark.core.errors import UserError


@verb("make-data --photos DIR --weights DIR --out data")
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


@verb("remake-pairs --out pairs")
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


@verb("pull")
def pull() -> None:
    """Pull the data from the DVC remote; if that fails, say what to do."""
    from benchmark.core.json_io import read_json
    from benchmark.core.paths import from_here, in_project
    from benchmark.data.pull import pull as pull_data

    whole = pull_data()
    folder = in_project("data")
    count = len(read_json(folder / "manifest.json").get("files", ()))
    print(f"{from_here(folder)}: {'' if whole else 'not all of its '}{count} files are there")


# Without the lock: it puts a set into its place in one step, and only where there is none.
@verb("fetch rain100l --from Rain100L.zip --accept-licence", lock=False)
def fetch(
    name: Annotated[
        str,
        typer.Argument(help="Data set or weight file: see 'list datasets', 'list weights'."),
    ],
    sources: Annotated[
        list[str] | None,
        typer.Option("--from", help="Archive or weights: a file or an address; may be repeated."),
    ] = None,
    accept_licence: Annotated[
        bool, typer.Option(help="Agree to the licence that is shown.")
    ] = False,
) -> None:
    """Prepare a public data set or weight file; if it does not fit its card, keep nothing."""
    from benchmark.data import cards, weight_cards
    from benchmark.data import fetch as fetching

    weights = weight_cards.published_files().get(name)
    card = None if weights else cards.load_card(name)
    print(weight_cards.terms(weights) if weights else fetching.terms(card))
    if card:  # what keeps it from being fetched is said before the licence is asked about
        fetching.choose_archives(name, card, sources or [])
    if not accept_licence:
        raise UserError("Add --accept-licence if you agree to the licence above.")
    if weights:
        weight_cards.fetch(weights, sources or [])
        print(f"{weights.place}: SHA-256 as on its card")
        return
    counts = fetching.fetch(name, sources or [])
    print(
        f"{card.path}: {', '.join(f'{count} images in {split}' for split, count in counts.items())}"
    )


@verb("verify photos", "verify rain100l raindrop", lock=False)
def verify(
    names: Annotated[
        list[str],
        typer.Argument(help="Data sets or weight files: 'list datasets', 'list weights'."),
    ],
) -> None:
    """Check data sets against their cards: number, pairing, sizes, readable images, checksums.

    Of weight files, the checksum.
    """
    from benchmark.data import cards, set_images, training_files, weight_cards
    from benchmark.data import fetch as fetching

    published = weight_cards.published_files()
    for name in names:
        if name in published:
            weight_cards.verify(published[name])
            print(f"{published[name].place}: SHA-256 as on its card")
            continue
        cards.verify(name)
        if training_files.are_there(name):
            cards.raise_faults(name, training_files.find_faults(name)[0])
        for split, count in fetching.check(name).items():
            content = set_images.split_checksum(name, split)
            print(f"{name} {split}: {count} images, content {content}")
            for line in set_images.left_out(name, split):
                print(line, file=sys.stderr)
