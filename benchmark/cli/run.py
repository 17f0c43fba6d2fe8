"""Verbs for a whole configuration: run it, or plan its time and disk space."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.app import DEFAULT, ConfigFile, open_run, verb
from benchmark.core.environment import PROJECT
from benchmark.core.errors import UserError


@verb(
    "run",
    "run --config config/smoke.yaml",
    "run --config mine.yaml --dry-run",
    lock=False,  # it leaves that to its Snakemake, which looks whether another process holds it
    context_settings={"allow_extra_args": True},
)
def run(
    context: typer.Context,
    config: ConfigFile = DEFAULT,
    cores: Annotated[str, typer.Option(help="Number of processor cores, or 'all'.")] = "all",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list the jobs that would be run.")
    ] = False,
) -> None:
    """Run a configuration: pull the data, train, restore, score, report; print the leaderboard.

    What is done already is not done again. What stands after -- goes to Snakemake, for example
    '-- --forcerun train'.
    """
    from benchmark.core import paths

    settings, _ = open_run(config)
    _check_packages()
    _check_data(settings)
    command = [
        *(sys.executable, "-m", "snakemake", "--cores", cores),
        *("--snakefile", paths.CODE / "workflow" / "Snakefile"),
        *("--workflow-profile", paths.CODE / "workflow" / "profiles" / "default"),
        *(["--dry-run"] if dry_run else []),
        *context.args,
        *("--config", f"run={paths.find(config).resolve()}"),
    ]
    if _status_of([*map(str, command)], paths.ROOT, _environment()):
        raise UserError(
            "The run did not finish; its messages are above. Correct what they name, and call it "
            "again to go on."
        )
    if not dry_run:
        from benchmark.board.write import print_leaderboard

        # Snakemake works in the project, wherever this was called.
        folder = paths.from_here(paths.ROOT / "results" / settings.name)
        print_leaderboard(folder)
        print(f"\nTables: {folder}/leaderboard.md  Report: {folder}/report/index.html")


def _environment() -> dict[str, str]:
    """The environment of Snakemake, whose rules call `python -m benchmark` in the project."""
    from benchmark.core import paths

    places = [str(paths.CODE), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, PROJECT: str(paths.ROOT), "PYTHONPATH": os.pathsep.join(places)}


def _status_of(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> int:
    """Run a program in a folder to its end; returns its exit status.

    Ctrl-C reaches the program too, which then has the time to end its own work. A second Ctrl-C
    kills it. Both raise KeyboardInterrupt once it has ended.
    """
    process = subprocess.Popen(command, cwd=folder, env=environment)
    try:
        return process.wait()
    except KeyboardInterrupt:
        try:
            process.wait()
        except KeyboardInterrupt:
            process.kill()
            process.wait()
        raise


def _check_packages() -> None:
    """Raise UserError if packages are missing that only runs need."""
    from importlib.util import find_spec

    missing = [name for name in ("snakemake", "lpips", "matplotlib") if find_spec(name) is None]
    if missing:
        raise UserError(
            f"A run needs packages that restoring photos does not ({', '.join(missing)}, ...). "
            "Install them by 'pip install \"unweather[run]\"'."
        )


def _check_data(settings) -> None:
    """Raise UserError if the bundled data are needed, missing, and cannot be pulled."""
    from benchmark.core import paths
    from benchmark.data.cards import load_card

    if (paths.ROOT / "data.dvc").exists():
        return
    for card in map(load_card, {settings.train_on, *map(settings.card_of, settings.datasets)}):
        if card.manifest and not (card.folder / card.manifest).exists():
            raise UserError(
                f"The data are not here ({paths.shown(card.folder / card.manifest)} is missing): "
                f"{paths.where_the_data_come_from()}."
            )


@verb(
    "plan --config config/gpu.yaml --device-gflops 100000",
    "plan --against results/default",
    lock=False,
)
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
