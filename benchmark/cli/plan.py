"""The verb that plans a run: its time and disk space, before it is started."""

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.app import DEFAULT, ConfigFile, app, open_run


@app.command()
def plan(
    config: ConfigFile = DEFAULT,
    costs: Annotated[
        Path | None, typer.Option(help="Folder of an earlier run: use its times.")
    ] = None,
    device_gflops: Annotated[
        float | None,
        typer.Option(min=1e-3, help="Plan for a device that sustains this rate, in GFLOP/s."),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            help="Folder of a finished run of this configuration: compare the plan with it."
        ),
    ] = None,
) -> None:
    """Print the jobs, FLOPs, time and disk space of a configuration; runs nothing."""
    from benchmark.data import cards
    from benchmark.planning import plan as planning
    from benchmark.planning import text
    from benchmark.results.layout import RunFolder

    settings, _ = open_run(config)
    cards.check_choices(settings, str(config))
    earlier = RunFolder(costs) if costs else None
    made = planning.plan(settings, device_gflops, earlier)
    print(text.as_text(made, device_gflops is not None))
    if against:
        print(text.comparison(made, RunFolder(against)))
