"""Chooses the method for a user's photos by the scores of a run, and says what is usual for it."""

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

import pandas as pd

from benchmark.board.held_out import read_held_out
from benchmark.board.recommend import Choice, choose, ranked
from benchmark.board.score_table import ALL
from benchmark.board.write import read_leaderboard
from benchmark.core.errors import UserError, WeightsMissing
from benchmark.core.paths import find
from benchmark.restoring.change import Usual, measured_weights, usual
from benchmark.restoring.photo_formats import Header, header
from benchmark.restoring.photos import (
    remedy,
    restorer,
    seconds_per_megapixel,
    weights_checksum,
    weights_of,
)
from benchmark.results.layout import RunFolder
from benchmark.spec import registry
from benchmark.spec.run_config import Config

REFERENCE = Path("results/reference")  # repository and package have its tables


def choose_method(
    config: Config,
    config_file: Path,
    run: RunFolder,
    photos: Iterable[Path],
    budget: float | None,
    weather: str = ALL,
) -> Choice:
    """The method for these photos, by the leaderboard of the run or else of the reference run.

    The reference run's leaderboard is completed by its scores on sets that were not trained on. It
    says nothing about an entry with other weights than it had: such an entry is left out.
    config_file: for messages. budget: time limit in seconds for the largest photo; None for no
    limit. Raises UserError if there is no leaderboard or no method.
    """
    own = {label: weights_checksum(config, run, label) for label in config.methods}
    folder, board, labels = _board_and_entries(config_file, run, own)
    trained = {name for name in config.datasets if config.card_of(name) == config.train_on}
    ranking = ranked(board, _cards(config, labels), weather, trained)
    headers = [found for photo in photos if (found := header(photo))]
    largest = max(headers, key=lambda found: found.megapixels, default=Header("", 1, 1))
    size = largest.megapixels if headers else 0.0

    def missing_weights(label: str) -> str | None:
        try:
            weights_of(config, config_file, run, label)
        except WeightsMissing as error:
            return str(error)
        return None

    @cache
    def speed(label: str, variant: str) -> float:
        made = restorer(config, config_file, run, label, variant)
        return seconds_per_megapixel(made, [(largest.width, largest.height)])

    choice = choose(ranking, size, budget, missing_weights, speed)
    return Choice(choice.method, choice.variant, f"{choice.why} ({folder})")


def _board_and_entries(
    config_file: Path, run: RunFolder, own: Mapping[str, str]
) -> tuple[Path, pd.DataFrame, list[str]]:
    """The run whose leaderboard counts, that leaderboard, and the entries on which it says
    something.

    own: the checksum of each entry's weights. Raises UserError if there is no such leaderboard.
    """
    if (run.path / "leaderboard.csv").exists():
        folder, foreign = run.path, set()
    else:
        folder, foreign = REFERENCE, _with_other_weights(find(REFERENCE), own)
    place = find(folder)
    board = read_leaderboard(place) if (place / "leaderboard.csv").exists() else None
    labels = [label for label in own if label not in foreign]
    on_board = {*labels} & {*(() if board is None else board["method"])}
    if board is None or not on_board or (foreign and not any(own[label] for label in on_board)):
        raise UserError(
            f"There is no leaderboard to choose a method by: {remedy(config_file)}, or name a "
            "method with --method."
        )
    held_out = read_held_out(place, own)
    return folder, pd.concat([board, held_out]) if len(held_out) else board, labels


def _cards(config: Config, labels: Iterable[str]) -> list[dict]:
    """What `ranked` needs to know of each variant of the entries."""
    cards = []
    for label in labels:
        method = registry.load(config.method_of(label))
        for variant in config.variants_of(label):
            card = {"control": method.card.control, "sees_target": method.sees_target}
            cards.append({"method": label, "variant": variant, **card})
    return cards


def _with_other_weights(folder: Path, own: Mapping[str, str]) -> set[str]:
    """The entries whose weights are not those with which a run's usual changes were measured."""
    measured = measured_weights(folder)
    return {label for label, weights in own.items() if weights and measured.get(label) != weights}


def usual_change(
    config: Config, run: RunFolder, label: str, variant: str | None, weather: str = ALL
) -> Usual | None:
    """The change that an entry usually makes, measured in the run or in the reference run.

    variant: the entry's first if None. None if it was not measured with the entry's weights.
    """
    variant = variant or next(iter(config.variants_of(label)))
    own = weights_checksum(config, run, label)
    found = usual(run.path, label, variant, own, weather)
    return found or usual(find(REFERENCE), label, variant, own, weather)
