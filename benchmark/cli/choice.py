"""Which method restores one's photos, where none is named: by a run's leaderboard."""

from collections.abc import Iterable
from pathlib import Path

from benchmark.board.recommend import Choice, choose, ranked
from benchmark.board.score_table import ALL
from benchmark.board.write import read_leaderboard
from benchmark.core.errors import UserError, WeightsMissing
from benchmark.restoring.photo_io import megapixels
from benchmark.restoring.photos import remedy, weights_of
from benchmark.results.layout import RunFolder
from benchmark.spec import registry
from benchmark.spec.run_config import Config

REFERENCE = Path("results/reference")  # its leaderboard comes with the repository


def choose_for(
    config: Config,
    where: Path,
    run: RunFolder,
    photos: Iterable[Path],
    budget: float | None,
    weather: str = ALL,
) -> Choice:
    """The method for these photos by the run's leaderboard, or by the reference run's without it.

    where: the configuration's file, for messages. budget: seconds a photo, which the largest has to
    keep to; None for any time. Raises UserError if there is no leaderboard or no method.
    """
    folder = run.path if (run.path / "leaderboard.csv").exists() else REFERENCE
    if not (folder / "leaderboard.csv").exists():
        raise UserError(
            f"There is no leaderboard to choose a method by: {remedy(where)}, or name a method "
            "with --method."
        )
    cards = []
    for label in config.methods:
        kind = registry.load(config.method_of(label))
        for variant in config.variants_of(label):
            card = {"control": kind.card.control, "sees_target": kind.sees_target}
            cards.append({"method": label, "variant": variant, **card})

    def lack(label: str) -> str | None:
        try:
            weights_of(config, where, run, label)
        except WeightsMissing as error:
            return str(error)
        return None

    size = max((pixels for photo in photos if (pixels := megapixels(photo))), default=0.0)
    table = ranked(read_leaderboard(folder), cards, weather)
    choice = choose(table, size, budget, lack)
    return Choice(choice.method, choice.variant, f"{choice.why} ({folder})")
