"""The verb that lists methods, data sets and metrics."""

from typing import Annotated, Literal

import typer

from benchmark.cli.app import app


@app.command("list")
def list_cards(
    kind: Annotated[
        Literal["methods", "datasets", "metrics", "weights"],
        typer.Argument(help="Kind of cards to list.", metavar="[methods|datasets|metrics|weights]"),
    ] = "methods",
    as_json: Annotated[bool, typer.Option("--json", help="Print whole cards, as JSON.")] = False,
) -> None:
    """List the methods, data sets, metrics or published weights with their cards."""
    import json

    from benchmark.cli import card_tables

    cards = card_tables.LISTS[kind]()
    if as_json:
        print(json.dumps(cards, indent=1, ensure_ascii=False))
    else:
        card_tables.print_table(kind, cards)
