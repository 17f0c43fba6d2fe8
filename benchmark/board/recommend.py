"""Recommends a method for a photo: the best of a leaderboard within a time budget."""

from collections.abc import Callable, Container
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmark.board.format import seconds_text
from benchmark.board.score_table import ALL
from benchmark.board.verdicts import harmful
from benchmark.core.errors import UserError
from benchmark.results.schema import METHOD, OK
from benchmark.results.tables import Cards, key_of
from benchmark.scoring.metrics import METRIC
from benchmark.spec.method import ALL_WEATHERS

# One metric of fidelity and one of appearance; SSIM would give fidelity twice the weight. Of each,
# the difference below which two methods count as equal: sets of ten images do not show less.
RANKED_BY = {"rgb/psnr": 0.2, "lpips-alex/lpips": 0.005}
UNIT = ["dataset", "weather"]
# A method is timed here only if the leaderboard's time is not above this many times the budget.
HOPELESS = 10


@dataclass(frozen=True)
class Choice:
    """A method's entry and variant, and the sentence that gives the reason for the choice."""

    method: str
    variant: str
    why: str


@dataclass(frozen=True)
class Ranking:
    """Methods by rank, and the sets by which they were ranked.

    table: columns method, variant, rank, the mean rank by each metric (PSNR, LPIPS), and
    seconds_per_megapixel, the largest of all data sets. sets: for messages.
    """

    table: pd.DataFrame
    sets: str


def ranked(
    board: pd.DataFrame, cards: Cards, weather: str = ALL, trained: Container[str] = ()
) -> Ranking:
    """The methods that can restore a photo, the best mean rank first.

    board: columns `GROUP`, status, `RANKED_BY` and seconds_per_megapixel. cards: of the available
    methods, with method, variant, control and sees_target. weather: the one in the photo; `all` if
    it is not known. trained: the data sets that belong to the training data.

    A weather is judged by the other sets that show it, because what was learned in simulated
    weather carries over to them only in part; where there are none, by the sets in `trained`. With
    `all`, each weather counts the same. Methods are ranked by RGB PSNR and by LPIPS, on each data
    set and weather that was scored by the metric: the rank is 1 plus the number of methods that are
    better by more than the tolerance in `RANKED_BY`. They are sorted by the mean of these ranks,
    then by the rank in LPIPS, then by time.

    Left out are controls, methods that need the ground truth, methods that have not restored every
    image of the weather, and methods that make its images worse (`verdicts.harmful`). Raises
    UserError if the board has neither metric for the weather.
    """
    weathers = ALL_WEATHERS if weather == ALL else (weather,)
    rows = board[board["weather"].isin(weathers)]
    known = rows[[*RANKED_BY]].notna().any(axis=1)
    units = rows.loc[known, UNIT].drop_duplicates()
    if units.empty:
        raise UserError(
            f"The leaderboard has no PSNR or LPIPS for the weather '{weather}', so no method can "
            "be chosen by it: name one with --method."
        )
    units = units.assign(trained=[name in trained for name in units["dataset"]])
    elsewhere = set(units.loc[~units["trained"], "weather"])
    units = units[~(units["trained"] & units["weather"].isin(elsewhere))]
    rows = rows.merge(units, on=UNIT)
    metrics = [metric for metric in RANKED_BY if rows[metric].notna().any()]
    rows = rows[_allowed(rows, cards)]
    names = [METRIC[metric].acronym for metric in metrics]
    for name, metric in zip(names, metrics, strict=True):
        values = rows.groupby(UNIT)[metric]
        rows = rows.assign(**{name: values.transform(_ranks, metric)})
    by_weather = rows.groupby([*METHOD, "weather"], as_index=False)[names].mean()
    means = by_weather.groupby(METHOD, as_index=False)[names].mean()
    means["rank"] = means[names].mean(axis=1)
    slowest = board.groupby(METHOD)["seconds_per_megapixel"].max()
    means = means.join(slowest, on=METHOD)
    order = ["rank", names[-1], "seconds_per_megapixel", *METHOD]
    return Ranking(means.sort_values(order, ignore_index=True), _sets_text(units))


def _allowed(rows: pd.DataFrame, cards: Cards) -> pd.Series:
    """Which rows belong to methods that may be chosen, see `ranked`."""
    allowed = {key_of(card) for card in cards if not card["control"]}
    allowed -= {key_of(card) for card in cards if card["sees_target"]}
    allowed -= {key[2:] for key in harmful(rows, cards)}
    keys = pd.MultiIndex.from_frame(rows[METHOD])
    scored_by = rows.groupby(UNIT)[[*RANKED_BY]].transform("count") > 0
    whole = (rows["status"] == OK) & (rows[[*RANKED_BY]].notna() == scored_by).all(axis=1)
    allowed -= set(keys[~whole.to_numpy()])
    units = len(rows[UNIT].drop_duplicates())
    counts = rows.groupby(METHOD).size()
    allowed &= set(counts[counts == units].index)
    return pd.Series(keys.isin(list(allowed)), rows.index)


def _ranks(values: pd.Series, metric: str) -> np.ndarray:
    """For each value, 1 plus the number of values that are better by more than the tolerance; NaN
    for a missing value."""
    signs = values.to_numpy() * (-1 if METRIC[metric].lower_is_better else 1)
    ranks = 1 + (signs[None, :] > signs[:, None] + RANKED_BY[metric]).sum(axis=1)
    return np.where(np.isnan(signs), np.nan, ranks)


def _sets_text(units: pd.DataFrame) -> str:
    """The data sets of a ranking, such as `sets not trained on: rain100l (rain)`."""
    parts = []
    for trained, part in units.groupby("trained"):
        sets = [f"{name} ({', '.join(u['weather'])})" for name, u in part.groupby("dataset")]
        kind = "held-out pictures of the set trained on" if trained else "sets not trained on"
        parts.append(f"{kind}: {', '.join(sets)}")
    return "; ".join(parts)


def choose(
    ranking: Ranking,
    megapixels: float,
    budget: float | None,
    weights: Callable[[str], str | None],
    speed: Callable[[str, str], float],
) -> Choice:
    """The best method that has its weights and takes at most `budget` seconds a photo here.

    megapixels: the photo's size. budget: None for any time. weights: returns a message if a
    method's entry has no weights, else None. speed: measures a method's seconds per megapixel on
    this machine; it is called only if there is a budget, and not for methods whose time on the
    leaderboard is `HOPELESS` times the budget. Raises UserError, with a remedy, if there is no such
    method.
    """
    table = ranking.table
    if table.empty:
        raise UserError(
            "No method of the leaderboard restores every image without making images worse: name "
            "one with --method."
        )
    without: dict[str, str] = {}
    times: dict[str, float] = {}
    for _, row in table.iterrows():
        if (message := weights(row["method"])) is not None:
            without.setdefault(row["method"], message)
            continue
        if budget is not None:
            expected = row["seconds_per_megapixel"] * megapixels
            if expected > HOPELESS * budget:
                times[_name(row)] = expected
                continue
            times[_name(row)] = speed(row["method"], row["variant"]) * megapixels
            if times[_name(row)] > budget:
                continue
        why = _why(row, ranking, megapixels, budget, without)
        return Choice(row["method"], row["variant"], why)
    if not times:
        raise UserError(next(iter(without.values())))
    fastest = min(times, key=times.__getitem__)
    raise UserError(
        f"No method restores {megapixels:.3g} megapixels in {budget:g} s: the fastest, {fastest}, "
        f"takes about {seconds_text(times[fastest])} s. Allow more with --budget, or make the "
        "photo smaller."
    )


def _why(row, ranking: Ranking, megapixels, budget, without: dict[str, str]) -> str:
    names = [name for metric in RANKED_BY if (name := METRIC[metric].acronym) in row]
    ranks = ", ".join(f"{name} {row[name]:.3g}" for name in names)
    text = f"{_name(row)}: the best mean rank ({ranks} of {len(ranking.table)})"
    text += " of those with weights" if without else ""
    if budget is not None:
        text += f" within {budget:g} s for {megapixels:.3g} megapixels"
    text += f", on {ranking.sets}"
    if without:
        text += f". Ranked higher, but without weights: {', '.join(without)}"
    return text


def _name(row) -> str:
    return row["method"] if row["variant"] == "default" else f"{row['method']} {row['variant']}"
