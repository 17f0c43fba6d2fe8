"""The verb that restores a user's own photos."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from benchmark.cli.app import ConfigFile, app, open_run
from benchmark.core.errors import UserError

# Its weights are part of the data, so a new clone can restore photos after 'dvc pull'.
PRETRAINED = Path("config/pretrained.yaml")


@app.command()
def restore(
    photos: Annotated[
        list[Path], typer.Argument(help="Photos of any size, and folders of them.", metavar="PHOTO")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the restored photos.")],
    method: Annotated[
        str | None,
        typer.Option(help="Method entry of the configuration; default: the leaderboard's best."),
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
    kind: Annotated[
        Literal["png", "jpg", "webp", "tif", "same"],
        typer.Option("--format", help="Format of the restored photos; same: that of each photo."),
    ] = "png",
    compare: Annotated[
        bool,
        typer.Option("--compare", help="Also write STEM-compare.jpg: the photo before and after."),
    ] = False,
    config: ConfigFile = PRETRAINED,
) -> None:
    """Restore your own photos.

    A photo keeps its name, orientation, EXIF (without thumbnail) and transparency; the result is
    8-bit sRGB. Without --method, the method with the best mean rank in PSNR and LPIPS on the
    leaderboard is used.
    """
    if method is None and (variant or steps):
        raise typer.BadParameter("--variant and --steps need --method.")
    if method and (budget is not None or weather != "all"):
        raise typer.BadParameter("--budget and --weather choose a method; leave out --method.")
    if variant and steps:
        raise typer.BadParameter("give --variant or --steps, not both.")
    from benchmark.restoring import photos as restoring

    found = restoring.find_photos(photos)
    outputs = restoring.outputs(found, out, kind, compare)
    settings, folder = open_run(config)
    if method is None:
        from benchmark.cli.method_choice import choose_method

        choice = choose_method(settings, config, folder, found, budget, weather)
        print(choice.why)
        method, variant = choice.method, choice.variant
    restorer = restoring.restorer(settings, config, folder, method, variant, steps)
    problems = restoring.restore_photos(restorer, outputs)
    print(f"{out}: {len(outputs) - len(problems)} of {len(outputs)} photos restored")
    for _, problem in problems:
        print(f"not restored: {problem}", file=sys.stderr)
    if problems:
        raise UserError(f"{len(problems)} of {len(outputs)} photos were not restored.")
