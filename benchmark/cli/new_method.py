"""The verb that starts a new method."""

from typing import Annotated

import typer

from benchmark.cli.app import PROGRAM, app


@app.command("new-method")
def new_method(
    name: Annotated[
        str, typer.Argument(help="Its name: lower-case letters, digits and underscores.")
    ],
    learned: Annotated[
        bool, typer.Option("--learned", help="A method with a network that the suite trains.")
    ] = False,
) -> None:
    """Write methods/NAME.py: a method that runs and passes its tests, for you to change."""
    from benchmark.cli.method_template import write_method
    from benchmark.core.paths import packaged, shown

    path = shown(write_method(name, learned))
    print(f"{path} is written: edit its card and its code. Then")
    if not packaged("methods"):
        print(f"  python -m pytest tests/methods/test_contract.py -k {name}    tests it,")
    print(f"  {PROGRAM} run    runs it; methods that are done are not run again.")
