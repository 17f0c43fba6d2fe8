"""Starting a new method."""

from typing import Annotated

import typer

from benchmark.cli.app import app


@app.command("new-method")
def new_method(
    name: Annotated[str, typer.Argument(help="Its name: small letters, digits, underscores.")],
    learned: Annotated[
        bool, typer.Option("--learned", help="One with a network that the suite trains.")
    ] = False,
) -> None:
    """Write methods/NAME.py, a method that runs and is tested as it is, for you to change."""
    from benchmark.cli.new_method_file import write_method

    write_method(name, learned)
    print(f"methods/{name}.py is written: edit its card and what it does. Then")
    print(f"  python -m pytest tests/methods/test_contract.py -k {name}    tests it,")
    print("  make benchmark    runs it beside the others, which are not run again.")
