"""Verbs that need no run: list cards, start a method, score folders, measure the machine."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import typer

from benchmark.cli.app import DEFAULT, ConfigFile, open_run, refuse_file, verb
from benchmark.core.environment import PROGRAM
from benchmark.core.errors import UserError

PROFILE = Path("config/profile.yaml")


@verb(
    "score --restored DIR --target DIR --out scores.csv",
    "score --restored DIR --out scores.csv --protocol no-reference",
    "score --restored DIR --card outdoor_rain --out scores.csv",
    "score --restored DIR --target DIR --pair '(\\d+)' --out scores.csv",
    lock=False,
)
def score(
    restored: Annotated[Path, typer.Option(help="Folder of restored images.")],
    out: Annotated[Path, typer.Option(help="CSV file to write.")],
    target: Annotated[
        Path | None, typer.Option(help="Folder of ground truth, if any; same file stems.")
    ] = None,
    card: Annotated[
        str | None,
        typer.Option(help="Pair by the patterns of a data set's card: NAME or NAME:SPLIT."),
    ] = None,
    pair: Annotated[
        str | None,
        typer.Option(help="Pair by the first group of a regular expression, such as '(\\d+)'."),
    ] = None,
    protocol: Annotated[
        list[str] | None,
        typer.Option(
            help="See 'protocols'; may be repeated; default: our own, if their packages are here."
        ),
    ] = None,
) -> None:
    """Score any folder of images by the protocols of the benchmark.

    The exit code is 1 if an image was not scored; the table then has the reason.
    """
    from benchmark.core.paths import shown
    from benchmark.results.layout import write_csv
    from benchmark.scoring import folder_pairs
    from benchmark.scoring.score import score_pairs

    if out.is_dir():
        raise UserError(f"--out: {shown(out)} is a folder. Name a CSV file, such as scores.csv.")
    refuse_file(out.parent)
    pairs = _folder_pairs(restored, target, card, pair)
    scores = score_pairs(pairs, protocol or _own_protocols())
    write_csv(scores, out)
    _print_scores(scores, folder_pairs.unread(restored))
    if not (scores.status == "ok").any():
        raise UserError(f"No image of {str(restored)!r} was scored: {out} has the reasons.")
    failed = scores[~scores.status.isin(("ok", "skipped"))].image.nunique()
    if failed:
        raise UserError(
            f"{failed} of {scores.image.nunique()} images were not scored, or not by all metrics: "
            f"{out} has the reasons."
        )


def _print_scores(scores, unread: Iterable[str]) -> None:
    """Print the mean of each metric, and on stderr what was not scored.

    unread: files of the folder that are no images.
    """
    from benchmark.scoring.score import problems

    means = scores[scores.status == "ok"].groupby(["protocol", "metric"], sort=False).value
    for (name, metric), values in means:
        print(f"{name:16} {metric:7} {values.mean():9.4f}  mean of {len(values)} images")
    for problem in [*problems(scores), *unread]:
        print(f"not scored: {problem}", file=sys.stderr)


def _own_protocols() -> list[str]:
    """Our own protocols whose packages are installed; says on stderr which are left out."""
    from importlib.util import find_spec

    from benchmark.scoring.metrics import OWN, PROTOCOLS

    packages = {name: PROTOCOLS[name].package for name in OWN}
    missing = {name for name, package in packages.items() if package and not find_spec(package)}
    for name in sorted(missing):
        print(
            f"left out: the protocol {name} needs the package {packages[name]}, which is not "
            "installed (docs/command.md)",
            file=sys.stderr,
        )
    return [name for name in OWN if name not in missing]


def _folder_pairs(restored: Path, target: Path | None, card: str | None, pair: str | None):
    """The pairs to score, by the options of `score`."""
    from benchmark.core.image_io import image_files
    from benchmark.data import set_images
    from benchmark.scoring import folder_pairs

    if card and pair:
        raise UserError("--card and --pair: name only one of them.")
    if pair and target is None:
        raise typer.BadParameter("--pair compares names with those in --target: add it.")
    if card:
        name, _, split = card.partition(":")
        files = image_files(target) if target else {}

        def target_of(stem: str) -> Path | None:
            path = set_images.target_of(name, split or None, stem)
            return files.get(path.stem, target / path.name) if path and target else path

        return folder_pairs.by_rule(restored, target_of, f"the card '{card}'")
    if target is None:
        return folder_pairs.without_targets(restored)
    if pair:
        return folder_pairs.by_expression(restored, target, pair)
    return folder_pairs.by_stem(restored, target)


@verb(
    "profile --out profile.json",
    "profile --config config/reference.yaml",
    lock=False,
    beside_others="always",
    networks=True,
)
def profile(
    out: Annotated[
        Path | None, typer.Option(help="JSON file; the run's profile.json if none.")
    ] = None,
    images: Annotated[
        int | None,
        typer.Option(min=1, help="At most so many images for each comparison, to save time."),
    ] = None,
    measure: Annotated[Path, typer.Option(help="The file that says what to measure.")] = PROFILE,
    beside: Annotated[
        Path | None,
        typer.Option(
            exists=True, file_okay=False,
            help="A checkout of another version: how much longer its training steps take.",
        ),
    ] = None,
    config: ConfigFile = DEFAULT,
) -> None:  # fmt: skip
    """Measure how well the suite uses this machine, and our sampling against the published."""
    from benchmark.core.paths import find
    from benchmark.profiling import report, settings

    run, folder = open_run(config)
    found = report.profile(settings.load(find(measure)), run, folder, images, beside=beside)
    report.write(found, out or folder.path / "profile.json")
    print(report.as_table(found))


@verb("loaders", "loaders --method nafnet --config config/gpu.yaml", lock=False)
def loaders(
    method: Annotated[
        str | None,
        typer.Option(help="A method entry of --config; that in config/profile.yaml if none."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help=f"Configuration with the entry of --method; default: {DEFAULT}."),
    ] = None,
    device_gflops: Annotated[
        float | None,
        typer.Option(min=1e-3, help="Rate of training steps in 10⁹ FLOP/s; timed if none."),
    ] = None,
) -> None:
    """Measure how fast a loader process makes training pairs, and how fast training uses them."""
    if config is not None and method is None:
        raise typer.BadParameter("--config needs --method, which names one of its entries.")
    from benchmark.core.paths import find
    from benchmark.data import training_files
    from benchmark.profiling import loading, settings

    if method is None:
        network = settings.load(find(PROFILE)).loaders
    else:
        config = config or DEFAULT
        network = settings.network_of(open_run(config)[0], method, config)
    photos = training_files.training_photos("photos")
    print(loading.as_table(loading.supplies(photos, network, device_gflops)))


@verb("protocols", name="protocols", lock=False)
def list_protocols() -> None:
    """Print the protocols as a Markdown table: what each compares, and how."""
    from benchmark.scoring.metrics import protocol_table

    print(protocol_table())


@verb("list", "list datasets", "list metrics --json", name="list", lock=False)
def list_cards(
    kind: Annotated[
        Literal["methods", "datasets", "metrics", "weights"],
        typer.Argument(help="Kind of cards to list.", metavar="[methods|datasets|metrics|weights]"),
    ] = "methods",
    as_json: Annotated[bool, typer.Option("--json", help="Print whole cards, as JSON.")] = False,
) -> None:
    """List the methods, data sets, metrics or published weights with their cards."""
    import json

    from benchmark.cli import card_tables

    cards = card_tables.LISTS[kind]()
    if as_json:
        print(json.dumps(cards, indent=1, ensure_ascii=False))
    else:
        card_tables.print_table(kind, cards)


@verb("new-method my_filter", "new-method my_network --learned", lock=False)
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
        print("  make setup GROUPS=test    installs what its tests need,")
        print(f"  python -m pytest tests/methods/test_contract.py -k {name}    tests it,")
    print(f"  {PROGRAM} run    runs it; methods that are done are not run again.")


@verb(
    "convert-weights net_latest.ckpt net.safetensors",
    "convert-weights net.pth net.safetensors --key state_dict --prefix generator_ema",
    lock=False,
)
def convert_weights(
    file: Annotated[Path, typer.Argument(help="File of torch.save, .safetensors or .caffemodel.")],
    out: Annotated[Path, typer.Argument(help="The .safetensors file to write.")],
    key: Annotated[str, typer.Option(help="Keys of nested dicts, joined by dots.")] = "",
    prefix: Annotated[str, typer.Option(help="Beginning of the names to keep.")] = "",
) -> None:
    """Copy the tensors of a weight file into a .safetensors file, without running code of it."""
    from benchmark.core.convert_weights import convert
    from benchmark.core.weight_search import summary

    tensors, left_out = convert(file, out, key, prefix)
    print(f"{out}: {summary(tensors)}")
    if left_out:
        print(f"left out: objects of {', '.join(left_out)}")
