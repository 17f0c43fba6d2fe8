"""Verbs that restore a user's own photos, also on a page, and make the tables these read."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from benchmark.cli.app import ConfigFile, open_run, refuse_file, verb
from benchmark.core.environment import PROGRAM
from benchmark.core.errors import UserError

# Its weights are part of the data, so a new clone can restore photos after 'dvc pull'.
PRETRAINED = Path("config/pretrained.yaml")
HELD_OUT = Path("config/held_out.yaml")
SAMPLES = 8  # restorations of a photo from which its uncertainty is seen
MOST_SHOWN = 5  # files that are left out, by name


@verb(
    "restore photo.jpg --out restored",
    "restore holiday/ --out restored --recursive --budget 60 --compare",
    "restore photo.jpg --out restored --weather haze --strength 0.6",
    "restore photo.jpg --out restored --method conditional_diffusion --steps 4",
    lock=False,
    beside_others="if busy",
    networks=True,
)
def restore(
    photos: Annotated[
        list[Path], typer.Argument(help="Photos of any size, and folders of them.", metavar="PHOTO")
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the results; default: beside each photo, STEM-restored."),
    ] = None,
    recursive: Annotated[
        bool, typer.Option("--recursive", help="Also look into sub-folders.")
    ] = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Keep restorations that are there.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace results that are there.")
    ] = False,
    method: Annotated[
        str | None,
        typer.Option(help="Method entry of the configuration; default: the best by its scores."),
    ] = None,
    variant: Annotated[
        str | None, typer.Option(help="Variant of the entry; default: its first.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Sampling steps, in place of a variant.")
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(min=0, help="Seconds for a photo: choose a method that takes no longer."),
    ] = None,
    weather: Annotated[
        Literal["all", "rain", "haze", "raindrop", "snow", "mix"],
        typer.Option(help="Weather in the photos: choose the best method for it."),
    ] = "all",
    strength: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share of the change: 0 leaves the photo as it is."),
    ] = 1,
    kind: Annotated[
        Literal["same", "png", "jpg", "webp", "tif"],
        typer.Option("--format", help="Format of the results; same: that of each photo."),
    ] = "same",
    compare: Annotated[
        bool,
        typer.Option("--compare", help="Also write STEM-compare.jpg: the photo before and after."),
    ] = False,
    uncertainty: Annotated[
        bool,
        typer.Option(
            "--uncertainty",
            help="Also write STEM-uncertainty.png: where restorations from other noise differ.",
        ),
    ] = False,
    samples: Annotated[
        int | None,
        typer.Option(min=2, help=f"Restorations for --uncertainty; default: {SAMPLES}."),
    ] = None,
    config: ConfigFile = PRETRAINED,
) -> None:
    """Restore your own photos.

    A photo keeps its name, format, orientation, metadata and transparency; the result is 8-bit
    sRGB. Without --method, the method with the best mean rank in PSNR and LPIPS is used, on sets
    that it was not trained on where there are any.
    """
    if method is None and (variant or steps):
        raise typer.BadParameter("--variant and --steps need --method.")
    if method and (budget is not None or weather != "all"):
        raise typer.BadParameter("--budget and --weather choose a method; leave out --method.")
    if variant and steps:
        raise typer.BadParameter("give --variant or --steps, not both.")
    if skip_existing and overwrite:
        raise typer.BadParameter("give --skip-existing or --overwrite, not both.")
    if samples and not uncertainty:
        raise typer.BadParameter("--samples is for --uncertainty: add it.")
    from benchmark.restoring import photo_names
    from benchmark.restoring import photos as restoring

    if out is not None:
        refuse_file(out)
    found = photo_names.find_photos(photos, out, recursive)
    _print_left_out(found.left_out)
    planned = photo_names.outputs(found, out, kind, compare, uncertainty)
    outputs, kept = photo_names.without_existing(planned, skip_existing, overwrite)
    if kept:
        print(f"kept: {len(kept)} of {len(planned)} results were there")
    uncompared = _compare_kept(kept)
    if unmapped := sum(bool(r.uncertainty and not r.uncertainty.exists()) for r in kept):
        print(
            f"no map: {unmapped} of the kept have no map of uncertainty. It is made with the "
            "restoration, of the same method: --overwrite makes both"
        )
    if not outputs:
        return _report([], out, uncompared)
    from benchmark.cli.method_choice import choose_method, usual_change
    from benchmark.spec import sources

    drawn = (samples or SAMPLES) if uncertainty else 1
    settings, folder = open_run(config)
    if method is None:
        budget = budget and budget / drawn
        names = [output.photo for output in outputs]
        choice = choose_method(settings, config, folder, names, budget, weather)
        print(choice.why)
        method, variant = choice.method, choice.variant
    usual = None if steps else usual_change(settings, folder, method, variant, weather)
    restorer = restoring.restorer(
        settings, config, folder, method, variant, steps, strength, usual,
        drawn,
    )  # fmt: skip
    with_noise = sources.draws_noise(settings.method_of(method))
    _announce(restorer, outputs, drawn if with_noise else min(drawn, 2))
    _report(restoring.restore_photos(restorer, outputs), out, uncompared)


def _compare_kept(kept) -> list[str]:
    """Write the comparisons that kept results lack, from the two images. Returns what is wrong with
    those for which that fails."""
    missing = [result for result in kept if result.comparison and not result.comparison.exists()]
    if not missing:
        return []
    from benchmark.restoring.comparison import compare_files

    problems = []
    for result in missing:
        try:
            compare_files(result.comparison, result.photo, result.restored)
        except UserError as error:
            problems.append(str(error))
    print(f"compared: {len(missing) - len(problems)} of the kept, whose comparisons were missing")
    return problems


def _print_left_out(left_out: dict[Path, str]) -> None:
    """Say what a folder holds besides photos, by reason."""
    for reason in dict.fromkeys(left_out.values()):
        names = [path.name for path, why in left_out.items() if why == reason]
        more = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
        print(f"left out ({reason}): {', '.join(map(ascii, names[:MOST_SHOWN]))}{more}")


def _announce(restorer, outputs, samples: int) -> None:
    """Print the time that the photos will take, measured here on a small picture.

    samples: how often each is restored. Without noise that is twice for a map of uncertainty: the
    second restoration shows that all are the same.
    """
    from benchmark.board.format import seconds_text
    from benchmark.restoring import photos as restoring
    from benchmark.restoring.photo_formats import header

    sizes = [(h.width, h.height) for output in outputs if (h := header(output.photo))]
    if sizes:
        megapixels = sum(width * height for width, height in sizes) / 1e6
        speed = samples * restoring.seconds_per_megapixel(restorer, sizes)
        print(
            f"{restorer.name}: about {seconds_text(speed * megapixels)} s for {megapixels:.3g} "
            "megapixels, by a measurement just made"
        )


def _report(outcomes, out: Path | None, uncompared: list[str]) -> None:
    """Print what was restored, notes and problems, also of comparisons that failed. Raises
    UserError if there is a problem."""
    problems = [outcome.problem for outcome in outcomes if outcome.problem]
    if outcomes:
        count = f"{len(outcomes) - len(problems)} of {len(outcomes)} photos restored"
        print(f"{out}: {count}" if out else count)
    for outcome in outcomes:
        if outcome.uncertainty:
            print(outcome.uncertainty)
        for note in outcome.notes:
            print(f"warning: {note}", file=sys.stderr)
    for problem in problems:
        print(f"not restored: {problem}", file=sys.stderr)
    for problem in uncompared:
        print(f"not compared: {problem}", file=sys.stderr)
    if problems:
        raise UserError(f"{len(problems)} of {len(outcomes)} photos were not restored.")
    if uncompared:
        raise UserError(f"{len(uncompared)} kept photos were not compared.")


@verb("held-out-table --out results/reference")
def held_out_table(
    out: Annotated[Path, typer.Option(help="Folder of the table.")],
    config: ConfigFile = HELD_OUT,
) -> None:
    """Keep a run's scores on sets that its methods were not trained on: held_out.csv.

    `restore` chooses a method by them.
    """
    from benchmark.board.held_out import TABLE, held_out
    from benchmark.board.write import read_leaderboard
    from benchmark.restoring.photos import weights_checksum
    from benchmark.results.layout import write_csv

    settings, folder = open_run(config)
    weights = {label: weights_checksum(settings, folder, label) for label in settings.methods}
    table = held_out(read_leaderboard(folder.path), weights)
    write_csv(table, out / TABLE)
    print(f"{out / TABLE}: {len(table)} rows")


@verb("change-table --out results/reference")
def change_table(
    out: Annotated[Path, typer.Option(help="Folder of the table.")],
    config: ConfigFile = PRETRAINED,
) -> None:
    """Measure how much a run's methods changed its test pictures: change.csv.

    `restore` warns of photos that it changes more, or less.
    """
    from benchmark.jobs.change import measure
    from benchmark.restoring.change import TABLE
    from benchmark.results.layout import write_csv

    settings, folder = open_run(config)
    table = measure(settings, folder)
    write_csv(table, out / TABLE)
    print(f"{out / TABLE}: {len(table)} rows")


@verb("ui", "ui --browser --port 8000", lock=False, beside_others="always")
def ui(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port; default: the first free from 7860.")
    ] = None,
    browser: Annotated[
        bool, typer.Option("--browser", help="Also open the page in the default browser.")
    ] = False,
    config: ConfigFile = PRETRAINED,
) -> None:
    """Restore photos on a page in the browser, until Ctrl-C.

    The page is served to this machine only, and photos stay on it: what was uploaded and restored
    is deleted at the end.
    """
    import tempfile
    from importlib.util import find_spec

    if find_spec("gradio") is None:
        how = "make setup GROUPS=ui"
        if PROGRAM == "unweather":
            how = 'pip install "unweather[ui]"'
        raise UserError(f"The page needs the package gradio, which is not installed: '{how}'.")
    with tempfile.TemporaryDirectory(prefix="unweather-") as folder:
        from benchmark.cli import page

        settings, run = open_run(config)
        service = page.Service(settings, config, run)
        address = page.serve(service, folder, port, browser)
        print(f"{address}   (Ctrl-C ends it)", flush=True)
        page.wait()
