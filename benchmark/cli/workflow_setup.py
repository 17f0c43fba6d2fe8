"""Verbs that the workflow calls before its jobs: check the configuration, resolve, find images."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.app import DEFAULT, ConfigFile, SourceFile, open_run, verb


@verb("check --config config/reference.yaml", lock=False)
def check(config: ConfigFile = DEFAULT, source: SourceFile = None) -> None:
    """Check a configuration: methods, parameters, variants, protocols; load its weight files."""
    import psutil

    from benchmark.core.errors import UserError
    from benchmark.data import cards
    from benchmark.jobs import isolation, resolve
    from benchmark.scoring.metrics import metrics_of
    from benchmark.spec import config_checks

    settings, folder = open_run(config)
    name = str(source or config)
    try:
        metrics_of(settings.protocols)
    except UserError as error:
        raise UserError(f"{name}: protocols: {error}") from None
    cards.check_choices(settings, name)

    def work() -> list[str]:
        from benchmark.jobs.checks import (
            check_precision,
            check_training_memory,
            check_weights,
            refuse_training_memory,
        )

        memory = psutil.virtual_memory().total
        refuse_training_memory(settings, name, memory)  # before files of methods are imported
        warnings = [*config_checks.check_methods(settings, name), *check_weights(settings, name)]
        warnings += check_precision(settings, name, resolve.recorded(folder))
        return warnings + check_training_memory(settings, name, memory)

    found = isolation.run(work)
    if isinstance(found, isolation.Failure):
        found = [f"{name}: methods: a file in methods/ cannot be checked: {found.reason}"]
    for warning in found:
        print(f"warning: {warning}", file=sys.stderr)
    print(f"{name}: {', '.join(settings.methods)}")


@verb("resolve --config config/reference.yaml --cores 2")
def resolve(
    config: ConfigFile = DEFAULT,
    cores: Annotated[
        int | None, typer.Option(min=1, help="Cores of this machine; without it, a cluster's.")
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Processes of each training.")
    ] = None,
) -> None:
    """Record the device and the number of threads with which a run computes, if it has none."""
    from benchmark.jobs.resolve import resolve as resolve_run

    _, folder = open_run(config)
    print(resolve_run(folder, cores, processes).model_dump_json())


@verb("make-sets --config config/study.yaml")
def make_sets(config: ConfigFile = DEFAULT) -> None:
    """Make those data sets of a run whose cards say that they are made here, if not there."""
    from benchmark.data import made_sets

    settings, _ = open_run(config)
    for name in made_sets.in_run(settings):
        print(f"{name}: {'made' if made_sets.make(name) else 'is there as it should be'}")


@verb("images --config config/default.yaml")
def images(config: ConfigFile = DEFAULT) -> None:
    """Check the data sets of a run and write images.csv, the test images with checksums.

    A fault of a test image is an error, and so is a test photo that is also in the training data.
    Faults of other files are warnings: the trainings that need them will fail.
    """
    from benchmark.core import paths
    from benchmark.data import cards, set_images, training_files
    from benchmark.data.cards import raise_faults
    from benchmark.jobs import records, resolve
    from benchmark.jobs.identity import Identities
    from benchmark.results import layout

    settings, folder = open_run(config)
    found = set_images.find_images(settings)
    tested = {paths.ROOT / path for path in {*found.input, *found.target} if path}
    for name in sorted({*map(settings.card_of, settings.datasets), settings.train_on}):
        faults = cards.manifest_faults(name)
        raise_faults(name, {"files": [faults[path] for path in faults if path in tested]})
        _warn(f"{fault}: what needs this file will fail" for fault in faults.values())
    unused = set()
    # Once for each choice of weathers, because a full-size set has many thousands of files to read.
    for weathers in {settings.weathers_of(m): None for m in settings.methods if settings.trains(m)}:
        faults, files = training_files.find_faults(settings.train_on, weathers)
        unused |= files
        _warn(f"{f}: trainings with this file will fail" for kind in faults.values() for f in kind)
    for name, choice in settings.datasets.items():
        for line in set_images.left_out(settings.card_of(name), choice.split):
            print(line, file=sys.stderr)
    _refuse_leaks(found, settings.train_on, unused)
    layout.write_csv(found, folder.images)
    records.write(folder, *records.IMAGES, Identities(settings, resolve.recorded(folder)).images())
    print(f"{folder.images}: {len(found)} images")


def _refuse_leaks(found, name: str, warned_of: set[Path]) -> None:
    """Compare the test images with the training photos that can be read; warn of the others.

    All of the set's training photos, also if no entry of the run trains on them.
    """
    from benchmark.data import leakage, training_files

    photos = [p for p in training_files.training_photos(name) if p not in warned_of]
    unreadable = training_files.find_unreadable(photos, name)
    _warn(f"{fault}: it is not compared with the test photos" for fault in unreadable.values())
    leakage.check(found, [photo for photo in photos if photo not in unreadable])


def _warn(lines: Iterable[str]) -> None:
    for line in lines:
        print(f"warning: {line}", file=sys.stderr)
