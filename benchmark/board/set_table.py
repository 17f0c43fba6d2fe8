"""A run's scores of sets of images, with the jackknife over photos: values, pairs, intervals.

A score of a set has no value of a single image, so photos cannot be drawn with replacement: a copy
of a photo is no other photo, and the pairs of the two would bias the score. Instead each photo is
left out in turn. From the values without photo p, theta_p, come the pseudo-values

    theta - (P - 1) (theta_p - mean of all theta_p)

of the P photos. Their mean is theta, and its standard error is that of the jackknife (Tukey 1958;
Efron and Stein, Annals of Statistics 9, 1981). With them, a set's score is compared like a mean
over photos.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from benchmark.board.score_table import ALL, weather_rank
from benchmark.core.errors import UserError
from benchmark.results.schema import METHOD, OK
from benchmark.results.tables import Cards, key_of
from benchmark.scoring.metrics import SET_METRIC
from benchmark.significance.intervals import Interval
from benchmark.significance.pairwise import Key, PairedScores, SeedMeans, pair_up
from benchmark.significance.variances import Variance, photo_variance, seed_variance

SEEDS = [*METHOD, "seed"]
FEWEST_PHOTOS = 3  # with fewer, a score of a set has neither interval nor test


@dataclass(frozen=True, eq=False)
class SetGroup:
    """One metric of sets on a data set's weather, or on all of its weathers (their mean).

    values: means over seeds, by (method, variant). pseudo: (photos, methods) pseudo-values; no rows
    if fewer than three photos were left out. seeds: each method's value for each of its seeds.
    ranked: the methods without controls.
    """

    dataset: str
    weather: str
    metric: str
    values: pd.Series
    pseudo: pd.DataFrame
    seeds: dict[Key, SeedMeans]
    ranked: list[Key]

    @cached_property
    def variance(self) -> Variance:
        """Of the values, over photos and seeds: (K,)."""
        of_photos = photo_variance(self.pseudo.to_numpy(), self.pseudo.index)
        means = [np.array([*self.seeds[key].values()])[:, None] for key in self.keys]
        return of_photos + Variance.join([seed_variance(column) for column in means])

    @property
    def keys(self) -> list[Key]:
        return list(self.values.index)

    def interval(self) -> Interval:
        """The values and the ends of their 95 % intervals; NaN below `FEWEST_PHOTOS`."""
        values = self.values.to_numpy()
        if len(self.pseudo) < FEWEST_PHOTOS:
            unknown = np.full(len(values), np.nan)
            return Interval(values, unknown, unknown)
        half = self.variance.half_width()
        return Interval(values, values - half, values + half)

    @cached_property
    def paired(self) -> PairedScores | None:
        """The ranked methods, compared by their pseudo-values; None if there is none."""
        keys = [key for key in self.ranked if key in self.values.index]
        if not keys or len(self.pseudo) < FEWEST_PHOTOS:
            return None
        pseudo = {key: self.pseudo[key].to_numpy() for key in keys}
        return pair_up(pseudo, {key: self.seeds[key] for key in keys}, self.pseudo.index, None)


def set_groups(table: pd.DataFrame, methods: Cards) -> Iterator[SetGroup]:
    """The groups of each metric: for each data set `all`, then its weathers.

    table: columns `schema.SET_SCORES`. A method with a missing value of one seed is not in the
    group; in `all` it needs a value in every weather.
    """
    ranked = [key_of(card) for card in methods if not card.get("control")]
    table = table.assign(metric=table["protocol"] + "/" + table["metric"])
    of_known = table[table["metric"].isin(SET_METRIC)]
    _refuse_incomplete(of_known)
    for (dataset, metric), part in of_known.groupby(["dataset", "metric"], sort=False):
        by_weather = {weather: _complete(rows) for weather, rows in part.groupby("weather")}
        weathers = sorted(by_weather, key=weather_rank)
        for weather in (ALL, *weathers):
            wides = [by_weather[name] for name in (weathers if weather == ALL else [weather])]
            yield _group(str(dataset), weather, str(metric), _mean(wides), ranked)


def _refuse_incomplete(table: pd.DataFrame) -> None:
    """UserError if a value comes twice, or if there are values without photos but not the whole."""
    of_set = ["dataset", "weather", *SEEDS, "metric"]
    twice = table[table.duplicated([*of_set, "left_out"])]
    whole = table.groupby(of_set)["left_out"].agg(lambda names: (names == "").any())
    if len(twice) or not whole.all():
        name = " ".join(twice.iloc[0][of_set] if len(twice) else whole.index[~whole][0])
        fault = "a value twice" if len(twice) else "no value of the whole set"
        raise UserError(f"set_scores.csv has {fault} of {name}; delete it and score again.")


def _complete(rows: pd.DataFrame) -> pd.DataFrame:
    """One weather: rows are what was left out ("": nothing), columns (method, variant, seed)."""
    rows = rows.assign(value=rows["value"].where(rows["status"] == OK))
    wide = rows.pivot(index="left_out", columns=SEEDS, values="value")
    missing = {column[:2] for column in wide.columns[wide.loc[""].isna()]}
    return wide[[column for column in wide.columns if column[:2] not in missing]]


def _mean(wides: list[pd.DataFrame]) -> pd.DataFrame:
    """The mean over weathers; where a photo is not in a weather, that weather stays whole."""
    columns = [column for column in wides[0].columns if all(column in wide for wide in wides)]
    left_out = sorted(set().union(*(wide.index for wide in wides)))
    filled = [wide[columns].reindex(left_out).fillna(wide.loc[""][columns]) for wide in wides]
    return sum(filled) / len(filled) if columns else pd.DataFrame(index=left_out)


def _group(
    dataset: str, weather: str, metric: str, wide: pd.DataFrame, ranked: list[Key]
) -> SetGroup:
    seeds: dict[Key, SeedMeans] = {}
    for method, variant, seed in wide.columns:
        seeds.setdefault((method, variant), {})[seed] = wide.at["", (method, variant, seed)]
    means = pd.DataFrame(
        {key: wide[[(*key, seed) for seed in seeds[key]]].mean(axis=1) for key in seeds},
        index=wide.index,
    )
    values = means.loc[""] if len(means.columns) else pd.Series(dtype=float)
    without = means.drop(index="", errors="ignore")
    pseudo = values - (len(without) - 1) * (without - without.mean())
    return SetGroup(dataset, weather, metric, values, pseudo, seeds, ranked)
