"""What a run will take, before it is started."""

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.app import DEFAULT, ConfigFile, app, open_run


@app.command()
def plan(
    config: ConfigFile = DEFAULT,
    costs: Annotated[Path | None, typer.Option(help="A run whose times are taken.")] = None,
    device_gflops: Annotated[
        float | None,
        typer.Option(min=1e-3, help="Plan for a device that sustains so many 10⁹ FLOP/s."),
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="A finished run of this configuration, to compare with.")
    ] = None,
) -> None:
    """Print the jobs, FLOPs, hours and disk that a configuration takes; nothing is run."""
    from benchmark.planning import plan as planning
    from benchmark.planning import text
    from benchmark.results.layout import RunFolder

    settings, _ = open_run(config)
    earlier = RunFolder(costs) if costs else None
    made = planning.plan(settings, device_gflops, earlier)
    print(text.as_text(made, device_gflops is not None))
    if against:
        print(text.comparison(made, RunFolder(against)))
