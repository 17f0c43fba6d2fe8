"""What one does with finished runs: compare their methods, compare runs, merge, submit."""

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.app import RunPath, app


@app.command()
def comparisons(
    path: RunPath = Path("results/default"),
    metric: Annotated[
        list[str] | None, typer.Option(help="Such as rgb/psnr, several times; all if none.")
    ] = None,
) -> None:
    """Compare every pair of a run's methods: comparisons.csv and comparisons.md."""
    from benchmark.comparisons import write_comparisons

    table = write_comparisons(path, metric)
    print(f"{path}/comparisons.md, {path}/comparisons.csv: {len(table)} pairs")
