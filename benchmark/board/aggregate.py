"""The numbers of the leaderboard: a pure function of per-image scores, costs and method cards.

Scores are averaged over seeds for each image, then over images. `all` is the mean over a data set's
weathers with equal weight. A mean is there only if *every* image of the group has a score for every
seed: a mean over the images that happened to work would flatter the method. If it is missing, the
row's status and reason say why (`statuses`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmark.board.score_table import ALL, METRICS, ScoreGroup, ScoreTable, weather_rank
from benchmark.board.set_table import SetGroup
from benchmark.board.statuses import statuses
from benchmark.results.schema import GROUP, METHOD, OK
from benchmark.results.tables import Cards, by_key
from benchmark.scoring.metrics import ANY_METRIC, METRIC
from benchmark.significance.intervals import cut, interval_of
from benchmark.significance.pairwise import PairedScores, rank_text
from benchmark.significance.variances import (
    Variance,
    photo_variance,
    seed_variance,
    stratified_mean,
)

NO_REFERENCE = tuple(key for key, metric in METRIC.items() if not metric.needs_target)
COST_COLUMNS = (
    "seconds",
    "seconds_per_megapixel",
    "throughput",
    "nfe",
    "parameters",
    "flops",
    "peak_memory_bytes",
)
TRAINING_COLUMNS = ("training_steps", "training_flops", "training_seconds")
COLUMNS = (
    "dataset",
    "weather",
    "rank",
    "method",
    "variant",
    "supervision",
    "status",
    "n_images",
    "n_seeds",
    *(metric + end for metric in ANY_METRIC for end in ("", "_low", "_high")),
    *COST_COLUMNS,
    *TRAINING_COLUMNS,
    "device",
)
# The metrics by which rows are ordered; the first that a group has gives the rank.
ORDER = ("rgb/psnr", "lpips-alex/lpips", "no-reference/niqe")

Row = tuple[str, str, str, str]  # dataset, weather, method, variant


@dataclass(frozen=True, eq=False)
class Board:
    """A leaderboard.

    table: one row a data set, weather (and `all`), method and variant; columns `COLUMNS`. best: the
    (dataset, weather, method, variant, metric) that are set in bold type (`legend.BOLD`). reasons:
    why a row's status is not ok.
    """

    table: pd.DataFrame
    best: frozenset[tuple[str, str, str, str, str]]
    reasons: dict[Row, str]


class GroupValues(NamedTuple):
    """What a leaderboard shows of one `ScoreGroup`.

    rows: one a method and variant, with the columns of `GROUP`, means, intervals and rank. best:
    as of `Board`.
    """

    rows: pd.DataFrame
    best: list[tuple[str, str, str, str, str]]


def join_groups(
    scores: ScoreTable,
    cost: pd.DataFrame,
    parts: Iterable[GroupValues],
    sets: Iterable[GroupValues] = (),
) -> Board:
    """The leaderboard of a run from the values of its groups, from `group_values`. Raises UserError
    if a scored method has no card.

    cost: columns `schema.COST`. sets: values of its scores of sets, from `set_values`. `_low` and
    `_high` are the ends of the 95 % interval over photos and, if there are several, seeds
    (`intervals.mean_interval`), within the metric's limits; PSNR may be infinite. `rank`: the range
    of ranks that paired tests by the first metric of `ORDER` leave open (`pairwise.ranks`); empty
    for controls and methods without that score. Costs are medians over the restored images;
    `throughput` is megapixels a second when they were restored in batches; training costs are those
    of the first seed. `n_images` counts images with a score. Rows are sorted by data set (in the
    run's order), then weather (`all` first), then the metrics of `ORDER`, best first; controls come
    last.
    """
    parts, sets, methods = list(parts), list(sets), scores.methods
    found = statuses(scores)
    board = found.drop(columns="reason")
    values = pd.concat([part.rows for part in parts])
    board = board.merge(values, on=GROUP, how="left").merge(_costs(cost), on=GROUP, how="left")
    if sets:
        of_sets = pd.concat([part.rows for part in sets]).groupby(GROUP, as_index=False).first()
        board = board.merge(of_sets, on=GROUP, how="left")
    seeds = scores.scores.groupby(METHOD)["seed"].nunique().rename("n_seeds").reset_index()
    board = board.merge(seeds, on=METHOD, how="left")
    board["n_seeds"] = board["n_seeds"].fillna(0).astype(int)
    board[["rank", "device"]] = board[["rank", "device"]].fillna("")
    board = _with_card_facts(board, methods).reindex(columns=[*COLUMNS, "control"])
    board = _in_order(board, scores.datasets)
    reasons = zip(found[GROUP].itertuples(index=False, name=None), found["reason"], strict=True)
    return Board(
        board,
        frozenset(row for part in (*parts, *sets) for row in part.best),
        {row: reason for row, reason in reasons if reason},
    )


def group_values(group: ScoreGroup) -> GroupValues:
    """Means, intervals and ranks of one group, all methods from the same draws of photos."""
    values = group.scored.to_numpy()
    seeds = _seed_variances(group)[group.wide.columns.get_indexer(group.scored.columns)]
    of_photos = photo_variance(values, group.photos, group.strata)
    ends = interval_of(stratified_mean(values, group.strata), group.resampled, of_photos, seeds)
    metrics = group.scored.columns.get_level_values("metric")
    limits = np.array([ANY_METRIC[metric].limits for metric in metrics]).reshape(-1, 2)
    ends = cut(ends, *limits.T)
    table = pd.DataFrame(ends, index=["", "_low", "_high"], columns=group.scored.columns)
    table = table.reindex(columns=group.wide.columns).T.stack().unstack(["metric", -1])
    table.columns = [metric + end for metric, end in table.columns]
    ranks = next((found for metric in ORDER if (found := _ranks(group, metric))), {})
    texts = {key: rank_text(*ends) for key, ends in ranks.items()}
    table["rank"] = pd.Series(texts, dtype=str).reindex(table.index)
    best = [
        (group.dataset, group.weather, *key, metric)
        for metric in METRICS
        for key in _bold(group.paired_scores(metric), metric, table)
    ]
    rows = table.reset_index().assign(dataset=group.dataset, weather=group.weather)
    return GroupValues(rows, best)


def set_values(group: SetGroup) -> GroupValues:
    """Values, intervals and bold type of one metric of sets; as `group_values`, without ranks."""
    ends = group.interval()
    names = [group.metric + end for end in ("", "_low", "_high")]
    methods = list(zip(*group.keys, strict=True)) or [[], []]
    index = pd.MultiIndex.from_arrays(methods, names=METHOD)
    table = pd.DataFrame(dict(zip(names, ends, strict=True)), index=index)
    bold = _bold(group.paired, group.metric, table)
    rows = table.reset_index().assign(dataset=group.dataset, weather=group.weather)
    return GroupValues(rows, [(group.dataset, group.weather, *key, group.metric) for key in bold])


def _ranks(group: ScoreGroup, metric: str) -> dict[tuple[str, str], tuple[int, int]]:
    paired = group.paired_scores(metric)
    return {} if paired is None else paired.ranks(METRIC[metric].lower_is_better)


def _bold(paired: PairedScores | None, metric: str, table: pd.DataFrame) -> list[tuple[str, str]]:
    """The methods set in bold type, the best first: not significantly worse than the best, and, as
    the numbers are printed, with the best mean inside of their interval. They end before the first
    method of which one of these is not so: a value in bold type is better than all others. None if
    no method is significantly worse.

    table: means and intervals by (method, variant).
    """
    if paired is None:
        return []
    lower, decimals = ANY_METRIC[metric].lower_is_better, ANY_METRIC[metric].decimals
    ties = paired.ties_of_best(lower)
    if len(ties) == len(paired.keys):
        return []
    means = pd.Series(paired.means(), index=pd.MultiIndex.from_tuples(paired.keys))
    means = means.sort_values(ascending=lower, kind="stable")
    best = round(means.iloc[0], decimals)
    low, high = (table[metric + end].round(decimals) for end in ("_low", "_high"))

    def leads(key: tuple[str, str]) -> bool:
        # The interval of a single photo is unknown: NaN is neither below nor above.
        return key in ties and not (low[key] > best or high[key] < best)

    return [*takewhile(leads, means.index)]


def _seed_variances(group: ScoreGroup) -> Variance:
    """The variance from seeds of every column of a group's `wide`."""
    means = group.seed_means.groupby(level=[*METHOD, "metric"], sort=False)
    return Variance.join([seed_variance(column.to_numpy()[:, None]) for _, column in means])


def _costs(cost: pd.DataFrame) -> pd.DataFrame:
    """Medians of the restored images' costs, also for `all`, and the devices they ran on."""
    restored = cost[cost["status"] == OK]
    megapixels = restored["width"] * restored["height"] / 1e6
    restored = restored.assign(
        seconds_per_megapixel=restored["seconds"] / megapixels,
        throughput=megapixels / restored["batch_seconds"],
    )
    both = pd.concat([restored, restored.assign(weather=ALL)]).groupby(GROUP)
    devices = both["device"].agg(lambda names: "; ".join(sorted(set(names) - {""})))
    return both[list(COST_COLUMNS)].median().join(devices).reset_index()


def _with_card_facts(board: pd.DataFrame, methods: Cards) -> pd.DataFrame:
    """The board with what the cards say: supervision, whether it is a control, training costs."""
    cards = by_key(methods)
    own = [cards[key] for key in zip(board["method"], board["variant"], strict=True)]
    training = {
        column: pd.Series([card.get(column) for card in own], dtype=float)
        for column in TRAINING_COLUMNS
    }
    return board.assign(
        supervision=[card["supervision"] for card in own],
        control=[bool(card.get("control")) for card in own],
        **training,
    )


def _in_order(board: pd.DataFrame, datasets: list[str]) -> pd.DataFrame:
    weathers = sorted(board["weather"].unique(), key=weather_rank)
    board = board.assign(
        set_place=board["dataset"].map({name: i for i, name in enumerate(datasets)}),
        place=board["weather"].map({w: i for i, w in enumerate(weathers)}),
    )
    keys = ["set_place", "place", "control", *ORDER, *METHOD]
    by_metric = [METRIC[metric].lower_is_better for metric in ORDER]
    ascending = [True, True, True, *by_metric, True, True]
    board = board.sort_values(keys, ascending=ascending, na_position="last", ignore_index=True)
    return board[list(COLUMNS)]
