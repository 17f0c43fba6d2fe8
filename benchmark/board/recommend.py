"""Recommends a method for a photo: the best of a leaderboard within a time budget."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from benchmark.board.format import seconds_text
from benchmark.board.score_table import ALL
from benchmark.board.verdicts import harmful
from benchmark.core.errors import UserError
from benchmark.results.schema import OK
from benchmark.results.tables import Cards
from benchmark.scoring.metrics import METRIC
from benchmark.spec.method import ALL_WEATHERS

# One metric of fidelity and one of appearance; SSIM would give fidelity twice the weight.
RANKED_BY = ("rgb/psnr", "lpips-alex/lpips")
KEY = ["method", "variant"]


@dataclass(frozen=True)
class Choice:
    """A method's entry and variant, and the sentence that gives the reason for the choice."""

    method: str
    variant: str
    why: str


def ranked(board: pd.DataFrame, cards: Cards, weather: str = ALL) -> pd.DataFrame:
    """The methods that can restore a photo, the best mean rank first.

    board: columns `aggregate.COLUMNS`. cards: of the available methods, with method, variant,
    control and sees_target. weather: the one in the photo; `all` if it is not known.

    Left out are controls, methods that need the ground truth, methods that have not restored every
    image of the weather, and methods that make its images worse (`verdicts.harmful`). The others
    are ranked by RGB PSNR and by LPIPS, on each data set with weather and ground truth. They are
    sorted by the mean of these ranks, then by LPIPS, then by time.

    Returns the columns method, variant, rank, the mean rank by each metric (PSNR, LPIPS), and
    seconds_per_megapixel, the largest of all data sets. Raises UserError if the board has neither
    metric for the weather.
    """
    rows = board[(board["weather"] == weather) & board["dataset"].isin(_with_weather(board))]
    metrics = [metric for metric in RANKED_BY if rows[metric].notna().any()]
    rows = rows[rows["dataset"].isin(rows.loc[rows[metrics].notna().any(axis=1), "dataset"])]
    if rows.empty or not metrics:
        raise UserError(
            f"The leaderboard has no PSNR or LPIPS for the weather '{weather}', so no method can "
            "be chosen by it: name one with --method."
        )
    allowed = {(c["method"], c["variant"]) for c in cards if not c["control"]}
    allowed -= {(c["method"], c["variant"]) for c in cards if c["sees_target"]}
    worse = {key[2:] for key in harmful(rows, cards)}
    keys = pd.MultiIndex.from_frame(rows[KEY])
    whole = (rows["status"] == OK) & rows[metrics].notna().all(axis=1)
    failed = set(keys[~whole.to_numpy()])
    rows = rows[keys.isin(list(allowed - worse - failed))]
    for metric in metrics:
        fact = METRIC[metric]
        ranks = rows.groupby("dataset")[metric].rank(ascending=fact.lower_is_better)
        rows = rows.assign(**{fact.acronym: ranks})
    names = [METRIC[metric].acronym for metric in metrics]
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
    """The first method of `ranked` that has its weights and takes at most `budget` seconds a photo.

    megapixels: the photo's size. budget: None for any time. weights: returns a message if a
    method's entry has no weights, else None. Raises UserError, with a remedy, if there is no such
    method.
    """
    if table.empty:
        raise UserError(
            "No method of the leaderboard restores every image without making images worse: name "
            "one with --method."
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
    without: dict[str, str] = {}
    for index, row in table[fits].iterrows():
        message = weights(row["method"])
        if message is not None:
            without.setdefault(row["method"], message)
            continue
        return Choice(
            row["method"],
            row["variant"],
            _why(row, len(table), seconds[index], megapixels, budget, without),
        )
    raise UserError(next(iter(without.values())))


def _with_weather(board: pd.DataFrame) -> list[str]:
    """Data sets of degraded images. On clear images it is best to do nothing."""
    return list(board.loc[board["weather"].isin(ALL_WEATHERS), "dataset"].unique())


def _why(row, count, seconds, megapixels, budget, without: dict[str, str]) -> str:
    names = [name for metric in RANKED_BY if (name := METRIC[metric].acronym) in row]
    ranks = ", ".join(f"{name} {row[name]:.3g}" for name in names)
    text = f"{_name(row)}: the best mean rank ({ranks} of {count})"
    text += " of those with weights" if without else ""
    if budget is not None:
        text += f" within {budget:g} s for {megapixels:.3g} megapixels"
    if not math.isnan(seconds):
        text += f"; about {seconds_text(seconds)} s where the leaderboard was measured"
    if without:
        text += f". Ranked higher, but without weights: {', '.join(without)}"
    return text


def _name(row) -> str:
    return row["method"] if row["variant"] == "default" else f"{row['method']} {row['variant']}"
