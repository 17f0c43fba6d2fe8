"""The application with its own options, how a verb is added, and what several verbs need."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core

from benchmark.core.environment import DATA, PROGRAM, PROJECT, BesideOthers, prepare
from benchmark.core.errors import UserError, nearest


class _Verbs(typer.core.TyperGroup):
    """The verbs. Messages on wrong values do not begin with pydantic's words, and those on options
    of `common` that follow a verb say where to write them."""

    def invoke(self, ctx: typer.Context) -> Any:
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix("Value error, ")
            raise
        except Exception as error:
            option = getattr(error, "option_name", None)  # of click's NoSuchOption
            if option in ("--data", "--project"):
                error.message += f". Write it before the verb: {PROGRAM} {option} DIR VERB"
            raise


def _examples(commands: tuple[str, ...]) -> str:
    """Commands to copy, for below a help."""
    # \b: click does not join the lines.
    return "\n".join(["\b", "Examples:", *(f"  {PROGRAM} {c}" for c in commands)])


GENERAL = ("list", "restore photo.jpg --out restored", "VERB --help")
app = typer.Typer(
    cls=_Verbs,
    help="A benchmark of weather removal. 'run' does all of it; each other verb is one part.",
    epilog=_examples(GENERAL),
    no_args_is_help=True,
    add_completion=PROGRAM == "unweather",  # a shell completes the arguments of a command only
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@dataclass(frozen=True)
class Facts:
    """What the command line knows of a verb before it calls it; see `verb`."""

    examples: tuple[str, ...]
    lock: bool
    beside_others: BesideOthers
    networks: bool


FACTS: dict[str, Facts] = {}  # by the verb, in the order of the help


def verb(
    *examples: str,
    name: str | None = None,
    lock: bool = True,
    beside_others: BesideOthers = "never",
    networks: bool = False,
    **settings: Any,
) -> Callable[[Callable], Callable]:
    """A decorator that makes a function a verb of the command line.

    examples: commands to copy, below its help. name: that of the function if None. lock: whether
    the verb holds the lock of the project. False for one that writes into no run, and may stay open
    for hours: `submit`, `retry` and a workflow need not wait for it. beside_others: whether it
    computes beside other processes; `if busy`: where others are at work. networks: whether it
    evaluates networks for long. settings: for typer's `command`.
    """

    def register(function: Callable) -> Callable:
        known_as = name or function.__name__.replace("_", "-")
        FACTS[known_as] = Facts(examples, lock, beside_others, networks)
        return app.command(known_as, epilog=_examples(examples), **settings)(function)

    return register


ConfigFile = Annotated[Path, typer.Option("--config", help="Configuration file of the run.")]
Label = Annotated[str, typer.Option("--method", help="Method entry of the configuration.")]
SourceFile = Annotated[
    Path | None, typer.Option("--source", help="The file that the configuration was copied from.")
]
DEFAULT = Path("config/default.yaml")


def existing_run(path: Path, config: Path | None = None) -> Path:
    """The folder of a run, from the working directory or the project (`paths.find`).

    config: the run's configuration, if it is known. Raises UserError if the folder is not there or
    has no scores, with the command that makes them and the runs beside it.
    """
    from benchmark.core import paths

    path = paths.find(path)
    if (path / "scores.csv").is_file():
        return path
    if path.is_file() and path.suffix in (".yaml", ".yml"):
        raise UserError(
            f"{path} is a configuration. Name the folder of its run instead: results/NAME, with "
            "the 'name' in that file."
        )
    fault = "has no scores.csv: the run is not done" if path.is_dir() else "is missing"
    make = f"'{PROGRAM} run --config {config}'" if config else f"'{PROGRAM} run' with its --config"
    runs = [file.parent.name for file in path.parent.glob("*/scores.csv")]
    hint = nearest(path.name, runs) if runs else " A run is a folder such as results/NAME."
    raise UserError(f"{path} {fault}; {make} makes it.{hint}")


def _existing(context: typer.Context, path: Path) -> Path:
    return path if context.resilient_parsing else existing_run(path)  # a shell completes


RunPath = Annotated[
    Path, typer.Argument(help="Folder of the run.", metavar="RUN", callback=_existing)
]


def _version(wanted: bool) -> None:
    if wanted:
        from benchmark import __version__

        print(f"unweather {__version__}")
        raise typer.Exit


@app.callback()
def common(
    context: typer.Context,
    project: Annotated[
        Path | None,
        typer.Option(
            exists=True, file_okay=False,
            help="Folder of data/, results/ and your own methods/ and config/. Default: the "
            "nearest one with data, from here upwards, or else this folder.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            exists=True, file_okay=False,
            help="Folder of the bundled data, if it is not data/ of the project.",
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:  # fmt: skip
    """Options before the verb. Verbs and their processes read them from the environment.

    context.obj: what to call with the verb's facts once they are there, or None.
    """
    if data is not None and not (data / "manifest.json").is_file():
        raise typer.BadParameter(f"{data} has no manifest.json: name the folder data/ of a clone.")
    for variable, folder in ((PROJECT, project), (DATA, data)):
        if folder is not None:
            os.environ[variable] = str(folder.resolve())
    facts = FACTS[context.invoked_subcommand]
    if context.obj is not None:
        context.obj(facts)
    prepare(facts.beside_others, facts.networks)


def open_run(config: Path):
    """The configuration in a file, and the folder of its run, `results/NAME`.

    config: a path from the working directory, the project or the package (`paths.find`).
    """
    from benchmark.core import paths
    from benchmark.results.layout import RunFolder
    from benchmark.spec import config_reader

    settings = config_reader.load(paths.find(config))
    return settings, RunFolder(paths.results() / settings.name)


def refuse_file(folder: Path) -> None:
    """Raise UserError if the folder that --out needs, or one above it, is a file."""
    from benchmark.core.paths import shown

    for place in (folder, *folder.parents):
        if place.exists() and not place.is_dir():
            raise UserError(f"--out: {shown(place)} is a file. Name a folder.")
