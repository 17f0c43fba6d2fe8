"""Which method to restore a photo with: the best of a leaderboard that the time allows."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from benchmark.board.aggregate import ALL
from benchmark.board.format import seconds_text
from benchmark.board.verdicts import harmful
from benchmark.core.errors import UserError
from benchmark.results.schema import OK
from benchmark.results.tables import Cards
from benchmark.spec.method import ALL_WEATHERS

# Fidelity and appearance, each once; SSIM would count the first of them twice.
RANKED_BY = {"rgb/psnr": "PSNR", "lpips-alex/lpips": "LPIPS"}
LOWER_IS_BETTER = ("lpips-alex/lpips",)
KEY = ["method", "variant"]


@dataclass(frozen=True)
class Choice:
    """A method's entry and variant, and the sentence that says why it."""

    method: str
    variant: str
    why: str


def ranked(board: pd.DataFrame, cards: Cards, weather: str = ALL) -> pd.DataFrame:
    """The methods that may restore a photo, the best mean rank first.

    board: from `leaderboard`. cards: of the methods that are at hand, with method, variant, control
    and sees_target. weather: what the photo shows; `all` if it is not known.

    Left out are controls, methods that need the ground truth, those that have not restored every
    image of the weather, and those that make its images worse (`board_text.harmful`). The rest are
    ranked by RGB PSNR and by LPIPS, on each data set that has weather and ground truth; the order
    is by the mean of these ranks, then by LPIPS, then by time.

    Returns columns method, variant, rank, one a metric's mean rank (PSNR, LPIPS), and
    seconds_per_megapixel, the largest of the data sets.
    """
    rows = board[(board["weather"] == weather) & board["dataset"].isin(_with_weather(board))]
    metrics = [metric for metric in RANKED_BY if rows[metric].notna().any()]
    rows = rows[rows["dataset"].isin(rows.loc[rows[metrics].notna().any(axis=1), "dataset"])]
    if rows.empty or not metrics:
        raise UserError(
            f"The leaderboard has no PSNR or LPIPS for the weather '{weather}', by which to choose "
            "a method: name one with --method."
        )
    allowed = {(c["method"], c["variant"]) for c in cards if not c["control"]}
    allowed -= {(c["method"], c["variant"]) for c in cards if c["sees_target"]}
    worse = {key[2:] for key in harmful(rows, cards)}
    keys = pd.MultiIndex.from_frame(rows[KEY])
    whole = (rows["status"] == OK) & rows[metrics].notna().all(axis=1)
    failed = set(keys[~whole.to_numpy()])
    rows = rows[keys.isin(list(allowed - worse - failed))]
    for metric in metrics:
        ranks = rows.groupby("dataset")[metric].rank(ascending=metric in LOWER_IS_BETTER)
        rows = rows.assign(**{RANKED_BY[metric]: ranks})
    names = [RANKED_BY[metric] for metric in metrics]
    means = rows.groupby(KEY, as_index=False).agg(
        dict.fromkeys(names, "mean") | {"seconds_per_megapixel": "max"}
    )
    means["rank"] = means[names].mean(axis=1)
    return means.sort_values(["rank", names[-1], "seconds_per_megapixel", *KEY], ignore_index=True)


def choose(
    table: pd.DataFrame,
    megapixels: float,
    budget: float | None,
    weights: Callable[[str], str | None],
) -> Choice:
    """The first of `ranked`'s methods that is ready and takes at most `budget` seconds a photo.

    megapixels: the photo's size. budget: None for any time. weights: says what a method's entry
    lacks, or None if it is ready. Raises UserError, with what would help, if there is no such
    method.
    """
    if table.empty:
        raise UserError(
            "No method of the leaderboard restores every image and makes none worse: name one with "
            "--method."
        )
    seconds = table["seconds_per_megapixel"] * megapixels
    fits = pd.Series(True, table.index) if budget is None else seconds <= budget
    if not fits.any():
        fastest = seconds.idxmin() if seconds.notna().any() else None
        least = (
            "the leaderboard has no times"
            if fastest is None
            else f"the fastest, {_name(table.loc[fastest])}, takes about "
            f"{seconds_text(seconds[fastest])} s"
        )
        raise UserError(
            f"No method restores {megapixels:.3g} megapixels in {budget:g} s: {least}. Allow more "
            "with --budget, or make the photo smaller."
        )
    lacking: dict[str, str] = {}
    for index, row in table[fits].iterrows():
        lack = weights(row["method"])
        if lack is not None:
            lacking.setdefault(row["method"], lack)
            continue
        return Choice(
            row["method"],
            row["variant"],
            _why(row, len(table), seconds[index], megapixels, budget, lacking),
        )
    raise UserError(next(iter(lacking.values())))


def _with_weather(board: pd.DataFrame) -> list[str]:
    """Data sets of degraded images: on clear ones the best is to do nothing."""
    return list(board.loc[board["weather"].isin(ALL_WEATHERS), "dataset"].unique())


def _why(row, count, seconds, megapixels, budget, lacking: dict[str, str]) -> str:
    names = [name for name in RANKED_BY.values() if name in row]
    ranks = ", ".join(f"{name} {row[name]:.3g}" for name in names)
    text = f"{_name(row)}: the best mean rank ({ranks} of {count})"
    text += " of those with weights" if lacking else ""
    if budget is not None:
        text += f" within {budget:g} s for {megapixels:.3g} megapixels"
    if not math.isnan(seconds):
        text += f"; about {seconds_text(seconds)} s where the leaderboard was measured"
    if lacking:
        text += f". Ranked higher, but without weights: {', '.join(lacking)}"
    return text


def _name(row) -> str:
    return row["method"] if row["variant"] == "default" else f"{row['method']} {row['variant']}"
