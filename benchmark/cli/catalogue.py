"""Looking up what there is: methods, data sets and metrics, each with its card."""

from typing import Annotated, Literal

import typer

from benchmark.cli.app import app


@app.command("list")
def list_cards(
    what: Annotated[
        Literal["methods", "datasets", "metrics"],
        typer.Argument(help="What to list.", metavar="[methods|datasets|metrics]"),
    ] = "methods",
    as_json: Annotated[bool, typer.Option("--json", help="The whole cards, as JSON.")] = False,
) -> None:
    """List the methods, the data sets or the metrics with their cards."""
    import json

    from benchmark.cli import cards as catalogue

    cards = catalogue.LISTS[what]()
    if as_json:
        print(json.dumps(cards, indent=1, ensure_ascii=False))
    else:
        catalogue.print_table(what, cards)
