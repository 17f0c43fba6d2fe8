"""Chooses the method for a user's photos by the leaderboard of a run."""

from collections.abc import Iterable
from pathlib import Path

from benchmark.board.recommend import Choice, choose, ranked
from benchmark.board.score_table import ALL
from benchmark.board.write import read_leaderboard
from benchmark.core.errors import UserError, WeightsMissing
from benchmark.core.paths import find
from benchmark.restoring.photo_io import megapixels
from benchmark.restoring.photos import remedy, weights_of
from benchmark.results.layout import RunFolder
from benchmark.spec import registry
from benchmark.spec.run_config import Config

REFERENCE = Path("results/reference")  # repository and package have its leaderboard


def choose_method(
    config: Config,
    config_file: Path,
    run: RunFolder,
    photos: Iterable[Path],
    budget: float | None,
    weather: str = ALL,
) -> Choice:
    """The method for these photos, by the leaderboard of the run or else of the reference run.

    config_file: for messages. budget: time limit in seconds for the largest photo; None for no
    limit. Raises UserError if there is no leaderboard or no method.
    """
    folder = run.path if (run.path / "leaderboard.csv").exists() else REFERENCE
    if not find(folder / "leaderboard.csv").exists():
        raise UserError(
            f"There is no leaderboard to choose a method by: {remedy(config_file)}, or name a "
            "method with --method."
        )
    cards = []
    for label in config.methods:
        method = registry.load(config.method_of(label))
        for variant in config.variants_of(label):
            card = {"control": method.card.control, "sees_target": method.sees_target}
            cards.append({"method": label, "variant": variant, **card})

    def missing_weights(label: str) -> str | None:
        try:
            weights_of(config, config_file, run, label)
        except WeightsMissing as error:
            return str(error)
        return None

    size = max((pixels for photo in photos if (pixels := megapixels(photo))), default=0.0)
    table = ranked(read_leaderboard(find(folder)), cards, weather)
    choice = choose(table, size, budget, missing_weights)
    return Choice(choice.method, choice.variant, f"{choice.why} ({folder})")
