"""The application, options of several verbs, and a function that opens a run."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="A benchmark of weather removal. 'make benchmark' runs all of it; each verb is one part.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

ConfigFile = Annotated[Path, typer.Option("--config", help="Configuration file of the run.")]
RunPath = Annotated[Path, typer.Argument(help="Folder of the run.", metavar="RUN")]
Label = Annotated[str, typer.Option("--method", help="Method entry of the configuration.")]
DEFAULT = Path("config/default.yaml")


def open_run(config: Path):
    """The configuration in a file, and the folder of its run, `results/NAME`."""
    from benchmark.results.layout import RunFolder
    from benchmark.spec import run_config

    settings = run_config.load(config)
    return settings, RunFolder(Path("results") / settings.name)
