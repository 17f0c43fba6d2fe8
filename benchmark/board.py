"""The leaderboard's numbers: a pure function of per-image scores, costs and method cards.

How a row comes about: scores are averaged over seeds for each image, then over images. `all` is the
mean over a data set's weathers with equal weight. A value is there only if *every* image of the
group has it, for every seed: a mean over the images that happened to work would flatter the method.
The row's status is then the worst one of the group, and `statuses` has the reason. That a metric
needs a target where the data set has none is no fault of the method, if it has other scores.
"""

from collections.abc import Iterable

import pandas as pd

from benchmark.columns import (
    FAILED,
    NO_TARGET,
    OK,
    OUT_OF_MEMORY,
    SKIPPED,
    TIMED_OUT,
    WEIGHTS_MISSING,
)
from benchmark.errors import UserError
from benchmark.method import ALL_WEATHERS
from benchmark.run_tables import Cards
from benchmark.seeds import numpy_generator
from benchmark.statistics import mean_interval

NO_REFERENCE = ("no-reference/niqe", "no-reference/piqe")
METRICS = (
    "rgb/psnr",
    "rgb/ssim",
    "y-matlab/psnr",
    "y-matlab/ssim",
    "lpips-alex/lpips",
    *NO_REFERENCE,
)
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
    "method",
    "variant",
    "supervision",
    "status",
    "n_images",
    *(metric + end for metric in METRICS for end in ("", "_low", "_high")),
    *COST_COLUMNS,
    *TRAINING_COLUMNS,
)
ALL = "all"
WORST_LAST = (OK, SKIPPED, WEIGHTS_MISSING, TIMED_OUT, OUT_OF_MEMORY, FAILED)
GROUP = ["dataset", "weather", "method", "variant"]
IMAGE = ["dataset", "weather", "image"]


def leaderboard(
    scores: pd.DataFrame, cost: pd.DataFrame, methods: Cards, photos: pd.DataFrame | None = None
) -> pd.DataFrame:
    """One row a data set, weather (and `all`), method and variant; columns `COLUMNS`.

    scores, cost: tables with `columns.SCORES`, `columns.COST`. methods: the cards. photos: columns
    dataset, weather, image, photo; an image without a row there is its own photo.
    `_low` and `_high` are the 95 % interval over photos (`statistics.mean_interval`); PSNR may be
    infinite. Costs are medians over the images that were restored; what training took is the first
    seed's. `n_images` counts images with a score. Rows go by data set and weather (`all` first),
    the best RGB PSNR first (NIQE where there is no ground truth), controls last.

    Raises UserError if a score comes twice or a scored method has no card.
    """
    board = statuses(scores, methods)
    wide = per_image(scores)
    names = photo_names(wide, photos)
    values = pd.concat(
        [
            _group_values(wide.loc[rows], names.loc[rows], dataset, weather)
            for dataset, weather, rows in groups(wide)
        ]
    )
    board = board.merge(values, on=GROUP, how="left").merge(_costs(cost), on=GROUP, how="left")
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
    _check(scores, methods)
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


def per_image(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean over seeds: rows (dataset, weather, image), columns (method, variant, metric).

    metric is one of `METRICS`. NaN where any of the method's seeds has no score of status ok.
    """
    key = [*IMAGE, "method", "variant"]
    seeds = scores.groupby(["method", "variant"])["seed"].nunique()
    values = scores.assign(
        metric=scores["protocol"] + "/" + scores["metric"],
        value=scores["value"].where(scores["status"] == OK),
    )
    mean = values.groupby([*key, "metric"])["value"].agg(["mean", "count"]).reset_index()
    needed = mean.set_index(["method", "variant"]).index.map(seeds)
    mean["mean"] = mean["mean"].where(mean["count"].to_numpy() == needed.to_numpy())
    wide = mean.pivot(index=IMAGE, columns=["method", "variant", "metric"], values="mean")
    # All of them, so that a method or metric without a single score is missing, not unknown.
    columns = [(*pair, metric) for pair in sorted(seeds.index) for metric in METRICS]
    return wide.reindex(columns=pd.MultiIndex.from_tuples(columns, names=wide.columns.names))


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


def _check(scores: pd.DataFrame, methods: Cards) -> None:
    key = [*IMAGE, "method", "variant", "seed", "protocol", "metric"]
    twice = scores[scores.duplicated(key)]
    if len(twice):
        row = twice.iloc[0]
        raise UserError(
            f"scores.csv has {len(twice)} scores twice, e.g. {row['protocol']}/{row['metric']} of "
            f"{row['method']} {row['variant']} on {row['image']}; delete it and score again."
        )
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


def _group_values(wide: pd.DataFrame, photos: pd.Series, dataset: str, weather: str):
    """Rows of one group: the means and intervals of every method, from the same draws of photos."""
    strata = wide.index.get_level_values("weather") if weather == ALL else None
    generator = numpy_generator("bootstrap", dataset, weather)
    ends = mean_interval(wide.to_numpy(), photos.to_numpy(), generator, strata)
    table = pd.DataFrame(ends, index=["", "_low", "_high"], columns=wide.columns)
    table = table.T.stack().unstack(["metric", -1])
    table.columns = [metric + end for metric, end in table.columns]
    return table.reset_index().assign(dataset=dataset, weather=weather)


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
    """Medians over images of what restoring them took, for each weather and for `all`."""
    restored = cost[cost["status"] == OK]
    megapixels = restored["width"] * restored["height"] / 1e6
    restored = restored.assign(seconds_per_megapixel=restored["seconds"] / megapixels)
    both = pd.concat([restored, restored.assign(weather=ALL)])
    return both.groupby(GROUP)[list(COST_COLUMNS)].median().reset_index()


def _in_order(board: pd.DataFrame) -> pd.DataFrame:
    rank = {weather: weather_rank(weather) for weather in board["weather"].unique()}
    board = board.assign(
        rank=board["weather"].map({w: i for i, w in enumerate(sorted(rank, key=rank.get))})
    )
    values = {"rgb/psnr": False, "lpips-alex/lpips": True, "no-reference/niqe": True}
    keys = ["dataset", "rank", "control", *values, "method", "variant"]
    ascending = [True, True, True, *values.values(), True, True]
    board = board.sort_values(keys, ascending=ascending, na_position="last", ignore_index=True)
    return board[list(COLUMNS)]
