"""The leaderboard's numbers: a pure function of per-image scores, costs and method cards.

How a row comes about: scores are averaged over seeds for each image, then over images. `all` is the
mean over a data set's weathers with equal weight. A value is there only if *every* image of the
group has it, for every seed: a mean over the images that happened to work would flatter the method.
The row's status is then the worst one of the group, and `statuses` has the reason. That a metric
needs a target where the data set has none is no fault of the method, if it has other scores.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmark.core.errors import UserError
from benchmark.core.seeds import numpy_generator
from benchmark.results.schema import (
    FAILED,
    NO_TARGET,
    OK,
    OUT_OF_MEMORY,
    SKIPPED,
    TIMED_OUT,
    WEIGHTS_MISSING,
)
from benchmark.results.tables import Cards
from benchmark.scoring.metrics import METRICS as DEFINED
from benchmark.significance import pairwise as contest
from benchmark.significance.intervals import Variance, mean_interval, seed_variance, stratified_mean
from benchmark.spec.method import ALL_WEATHERS

# All that there are; a run's tables show those that it scored.
METRICS = tuple(metric.key for metric in DEFINED)
NO_REFERENCE = tuple(metric.key for metric in DEFINED if not metric.needs_target)
COST_COLUMNS = (
    "seconds",
    "seconds_per_megapixel",
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
    *(metric + end for metric in METRICS for end in ("", "_low", "_high")),
    *COST_COLUMNS,
    *TRAINING_COLUMNS,
    "device",
)
ALL = "all"
WORST_LAST = (OK, SKIPPED, WEIGHTS_MISSING, TIMED_OUT, OUT_OF_MEMORY, FAILED)
GROUP = ["dataset", "weather", "method", "variant"]
IMAGE = ["dataset", "weather", "image"]
# What a board is ordered by, and whether less is better; the first that is there gives the rank.
ORDER = {"rgb/psnr": False, "lpips-alex/lpips": True, "no-reference/niqe": True}


def leaderboard(
    scores: pd.DataFrame, cost: pd.DataFrame, methods: Cards, photos: pd.DataFrame | None = None
) -> pd.DataFrame:
    """One row a data set, weather (and `all`), method and variant; columns `COLUMNS`.

    scores, cost: tables with `columns.SCORES`, `columns.COST`. methods: the cards. photos: columns
    dataset, weather, image, photo; an image without a row there is its own photo.
    `_low` and `_high` are the 95 % interval over photos and, where there are several, seeds
    (`statistics.mean_interval`); PSNR may be infinite. `rank`: the range of ranks by RGB PSNR (NIQE
    where there is no ground truth) that paired tests leave open (`contest.ranks`), empty for
    controls and where that score is missing. Costs are medians over the images that were restored;
    what training took is the first seed's. `n_images` counts images with a score. Rows go by data
    set and weather (`all` first), the best RGB PSNR first (NIQE where there is no ground truth),
    controls last.

    Raises UserError if a score comes twice or a scored method has no card.
    """
    board = statuses(scores, methods)
    ranked = [(card["method"], card["variant"]) for card in methods if not card.get("control")]
    values = pd.concat([_group_values(group, ranked) for group in score_groups(scores, photos)])
    board = board.merge(values, on=GROUP, how="left").merge(_costs(cost), on=GROUP, how="left")
    seeds = scores.groupby(GROUP[2:])["seed"].nunique().rename("n_seeds").reset_index()
    board = board.merge(seeds, on=GROUP[2:], how="left")
    board["n_seeds"] = board["n_seeds"].fillna(0).astype(int)
    board[["rank", "device"]] = board[["rank", "device"]].fillna("")
    cards = {(card["method"], card["variant"]): card for card in methods}
    rows = [cards[key] for key in zip(board["method"], board["variant"], strict=True)]
    board["supervision"] = [card["supervision"] for card in rows]
    board["control"] = [bool(card.get("control")) for card in rows]
    for column in TRAINING_COLUMNS:
        board[column] = pd.Series([card.get(column) for card in rows], dtype=float)
    return _in_order(board.reindex(columns=[*COLUMNS, "control"]))


def statuses(scores: pd.DataFrame, methods: Cards) -> pd.DataFrame:
    """Status of every row of the leaderboard: columns dataset, weather, method, variant, status,
    reason, n_images.

    A method on a weather that other methods were scored on, but with no (or not every) score of its
    own and no status that explains it, has `failed`. The status of `all` is its worst weather's.
    """
    _refuse_unknown(scores, methods)
    wide = per_image(scores)
    told = {key: group for key, group in scores.groupby(GROUP, sort=False)}
    keys = [(card["method"], card["variant"]) for card in methods]
    found = []
    for dataset, weather, rows in groups(wide, with_all=False):
        for key in keys:
            status, reason, count = _status(told.get((dataset, weather, *key)), wide.loc[rows], key)
            found.append((dataset, weather, *key, status, reason, count))
    single = pd.DataFrame(found, columns=[*GROUP, "status", "reason", "n_images"])
    together = [
        (dataset, ALL, method, variant, *_status_of_all(group))
        for (dataset, method, variant), group in single.groupby(
            ["dataset", "method", "variant"], sort=False
        )
    ]
    return pd.concat([pd.DataFrame(together, columns=single.columns), single], ignore_index=True)


def per_seed(scores: pd.DataFrame) -> pd.DataFrame:
    """Rows (dataset, weather, image), columns (method, variant, metric, seed); NaN unless ok.

    metric is one of `METRICS`; all are there for each seed of a method, so that a metric without a
    single score is missing, not unknown. Raises UserError if a score comes twice.
    """
    _refuse_twice(scores)
    values = scores.assign(
        metric=scores["protocol"] + "/" + scores["metric"],
        value=scores["value"].where(scores["status"] == OK),
    )
    names = ["method", "variant", "metric", "seed"]
    wide = values.pivot(index=IMAGE, columns=names, values="value")
    seeds = scores[["method", "variant", "seed"]].drop_duplicates().itertuples(index=False)
    columns = sorted((m, v, metric, seed) for m, v, seed in seeds for metric in METRICS)
    return wide.reindex(columns=pd.MultiIndex.from_tuples(columns, names=names))


def per_image(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean over seeds: rows (dataset, weather, image), columns (method, variant, metric).

    NaN where any of the method's seeds has no score of status ok.
    """
    return _over_seeds(per_seed(scores))


def _over_seeds(seeds: pd.DataFrame) -> pd.DataFrame:
    means = seeds.T.groupby(level=["method", "variant", "metric"], sort=False)
    return means.mean(skipna=False).T


def photo_names(wide: pd.DataFrame, photos: pd.DataFrame | None) -> pd.Series:
    """The photo of each row of `wide`; an image that is not in `photos` is its own."""
    images = wide.index.get_level_values("image")
    if photos is None:
        return pd.Series(images, index=wide.index)
    known = photos.drop_duplicates(IMAGE).set_index(IMAGE)["photo"].reindex(wide.index)
    return known.fillna(pd.Series(images, index=wide.index))


def weather_rank(weather: str) -> tuple[int, str]:
    """Sorts weathers: `all`, the suite's own in their usual order, then any other by name."""
    known = (ALL, *ALL_WEATHERS)
    return (known.index(weather) if weather in known else len(known), weather)


def _refuse_twice(scores: pd.DataFrame) -> None:
    key = [*IMAGE, "method", "variant", "seed", "protocol", "metric"]
    twice = scores[scores.duplicated(key)]
    if len(twice):
        row = twice.iloc[0]
        raise UserError(
            f"scores.csv has {len(twice)} scores twice, e.g. {row['protocol']}/{row['metric']} of "
            f"{row['method']} {row['variant']} on {row['image']}; delete it and score again."
        )


def _refuse_unknown(scores: pd.DataFrame, methods: Cards) -> None:
    known = {(card["method"], card["variant"]) for card in methods}
    for method, variant in scores[["method", "variant"]].drop_duplicates().itertuples(index=False):
        if (method, variant) not in known:
            raise UserError(
                f"methods.json has no card for method '{method}', variant '{variant}', which "
                "scores.csv has; collect the run again."
            )


def groups(wide: pd.DataFrame, with_all: bool = True) -> Iterable[tuple[str, str, pd.Index]]:
    """(dataset, weather, rows of it) of `per_image`'s table, `all` before a data set's weathers."""
    for dataset, rows in wide.groupby(level="dataset"):
        if with_all:
            yield dataset, ALL, rows.index
        weathers = rows.index.get_level_values("weather")
        for weather in sorted(weathers.unique(), key=weather_rank):
            yield dataset, weather, rows.index[weathers == weather]


class ScoreGroup(NamedTuple):
    """The scores on one data set's weather, or all of its weathers.

    seeds, wide: rows of `per_seed` and `per_image`. photos, strata: (N,), strata None where there
    is one weather. seed_means: the group's mean of every column of `seeds`.
    """

    dataset: str
    weather: str
    seeds: pd.DataFrame
    wide: pd.DataFrame
    photos: np.ndarray
    strata: np.ndarray | None
    seed_means: pd.Series

    def contest(self, ranked: Iterable[tuple[str, str]], metric: str) -> contest.Contest | None:
        """Those of `ranked` that have the metric on every image; None if there is none."""
        values = {
            key: column.to_numpy()
            for key in ranked
            if (column := self.wide.get((*key, metric))) is not None and column.notna().all()
        }
        if not values:
            return None
        means = contest.seed_means_of(self.seed_means.xs(metric, level="metric"))
        return contest.hold(values, means, self.photos, self.strata)


def score_groups(scores: pd.DataFrame, photos: pd.DataFrame | None) -> Iterator[ScoreGroup]:
    """The groups of a leaderboard, `all` before a data set's weathers."""
    seeds = per_seed(scores)
    wide, names = _over_seeds(seeds), photo_names(seeds, photos)
    for dataset, weather, rows in groups(wide):
        strata = rows.get_level_values("weather").to_numpy() if weather == ALL else None
        part = seeds.loc[rows]
        means = pd.Series(stratified_mean(part.to_numpy(), strata), index=part.columns)
        photo = names.loc[rows].to_numpy()
        yield ScoreGroup(dataset, weather, part, wide.loc[rows], photo, strata, means)


def _group_values(group: ScoreGroup, ranked: list[tuple[str, str]]) -> pd.DataFrame:
    """Rows of one group: the means and intervals of every method, from the same draws of photos."""
    generator = numpy_generator("bootstrap", group.dataset, group.weather)
    values, seeds = group.wide.to_numpy(), _seed_variances(group)
    ends = mean_interval(values, group.photos, generator, group.strata, seeds)
    table = pd.DataFrame(ends, index=["", "_low", "_high"], columns=group.wide.columns)
    table = table.T.stack().unstack(["metric", -1])
    table.columns = [metric + end for metric, end in table.columns]
    table["rank"] = pd.Series(_rank_texts(group, ranked), dtype=str).reindex(table.index)
    return table.reset_index().assign(dataset=group.dataset, weather=group.weather)


def _seed_variances(group: ScoreGroup) -> Variance:
    """The variance from seeds of every column of a group's `wide`."""
    means = group.seed_means.groupby(level=["method", "variant", "metric"], sort=False)
    parts = [seed_variance(column.to_numpy()[:, None]) for _, column in means]
    return Variance(*(np.concatenate([getattr(p, n) for p in parts]) for n in ("value", "freedom")))


def _rank_texts(group: ScoreGroup, ranked: list[tuple[str, str]]) -> dict[tuple[str, str], str]:
    for metric, lower in ORDER.items():
        if entered := group.contest(ranked, metric):
            found = contest.ranks(entered, lower)
            return {key: contest.rank_text(*ends) for key, ends in found.items()}
    return {}


def _status(rows: pd.DataFrame | None, wide: pd.DataFrame, key: tuple[str, str]):
    """Status, reason and number of scored images of one method on one weather."""
    own = wide.reindex(columns=pd.MultiIndex.from_tuples([(*key, metric) for metric in METRICS]))
    used = set(wide.columns[wide.notna().any()].get_level_values("metric"))
    missing = own.loc[:, [metric in used for metric in METRICS]].isna()
    scored = int(own.notna().any(axis=1).sum())
    if rows is not None:
        needless = (rows["status"] == SKIPPED) & (rows["reason"] == NO_TARGET)
        rows = rows if needless.all() else rows[~needless]
    if rows is not None and (rows["status"] != OK).any():
        status = max(rows["status"], key=WORST_LAST.index)
        worst = rows[rows["status"] == status]
        reason = "; ".join(dict.fromkeys(filter(None, worst["reason"]))) or "no reason was given"
        count = worst["image"].nunique()
        if count < len(wide):
            reason += f" ({count} of {len(wide)} images)"
        return status, reason, scored
    if missing.to_numpy().any():
        count = int(missing.any(axis=1).sum())
        return FAILED, f"no score of {count} of {len(wide)} images", scored
    return OK, "", scored


def _status_of_all(weathers: pd.DataFrame) -> tuple[str, str, int]:
    bad = weathers[weathers["status"] != OK]
    status = max(weathers["status"], key=WORST_LAST.index)
    parts = []
    for (other, reason), rows in bad.groupby(["status", "reason"], sort=False):
        prefix = "" if other == status else f"{other}: "
        parts.append(f"{prefix}{reason} ({', '.join(rows['weather'])})")
    return status, "; ".join(parts), int(weathers["n_images"].sum())


def _costs(cost: pd.DataFrame) -> pd.DataFrame:
    """Medians over images of what restoring them took and on which devices, also for `all`."""
    restored = cost[cost["status"] == OK]
    megapixels = restored["width"] * restored["height"] / 1e6
    restored = restored.assign(seconds_per_megapixel=restored["seconds"] / megapixels)
    both = pd.concat([restored, restored.assign(weather=ALL)]).groupby(GROUP)
    devices = both["device"].agg(lambda names: "; ".join(sorted(set(names) - {""})))
    return both[list(COST_COLUMNS)].median().join(devices).reset_index()


def _in_order(board: pd.DataFrame) -> pd.DataFrame:
    place = {weather: weather_rank(weather) for weather in board["weather"].unique()}
    board = board.assign(
        place=board["weather"].map({w: i for i, w in enumerate(sorted(place, key=place.get))})
    )
    keys = ["dataset", "place", "control", *ORDER, "method", "variant"]
    ascending = [True, True, True, *ORDER.values(), True, True]
    board = board.sort_values(keys, ascending=ascending, na_position="last", ignore_index=True)
    return board[list(COLUMNS)]
