"""A run's scores, arranged once for everything that is computed from them.

Scores are averaged over seeds for each image. A group is one data set's weather, or `all`: every
weather of the data set with equal weight.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.core.errors import UserError
from benchmark.core.seeds import numpy_generator
from benchmark.results.schema import IMAGE, METHOD, OK
from benchmark.results.tables import Cards, key_of
from benchmark.scoring.metrics import METRIC
from benchmark.significance.bootstrap import Resampled, resample
from benchmark.significance.pairwise import Key, PairedScores, pair_up, seed_means_of
from benchmark.significance.variances import stratified_mean
from benchmark.spec.method import ALL_WEATHERS

METRICS = tuple(METRIC)  # all keys, such as rgb/psnr; a run's tables show those that it scored
ALL = "all"


@dataclass(frozen=True, eq=False)
class ScoreGroup:
    """The scores on one data set's weather, or on all of its weathers.

    ranked: the methods without controls. seeds, wide: this group's rows of `ScoreTable.seeds` and
    `ScoreTable.wide`, N images. photos: (N,). strata: (N,) weathers; None if there is only one.
    seed_means: the mean over the images of each column of `seeds`. drawn_as: a name for the draws.
    """

    dataset: str
    weather: str
    ranked: list[Key]
    seeds: pd.DataFrame
    wide: pd.DataFrame
    photos: np.ndarray
    strata: np.ndarray | None
    seed_means: pd.Series
    drawn_as: str
    _paired: dict[str, PairedScores | None] = field(default_factory=dict, init=False, repr=False)

    def named(self, weather: str) -> "ScoreGroup":
        """This group under the name of its only weather; it shares all that was computed."""
        twin = replace(self, weather=weather)
        shared = {"scored": self.scored, "resampled": self.resampled}
        twin.__dict__.update(_paired=self._paired, **shared)
        return twin

    def paired_scores(self, metric: str) -> PairedScores | None:
        """The ranked methods that have the metric on every image; None if there is none.

        Computed once for each metric.
        """
        if metric not in self._paired:
            self._paired[metric] = self._pair_up(metric)
        return self._paired[metric]

    @cached_property
    def scored(self) -> pd.DataFrame:
        """The columns of `wide` that have a score on every image."""
        return self.wide.loc[:, self.wide.notna().all()]

    @cached_property
    def resampled(self) -> Resampled:
        """The means of the columns of `scored` in every resample of the photos; drawn once, for all
        that is computed from them."""
        generator = numpy_generator("bootstrap", self.dataset, self.drawn_as)
        return resample(self.scored.to_numpy(), self.photos, generator, self.strata)

    def columns(self, keys: Sequence[Key], metric: str) -> NDArray[np.intp]:
        """The numbers of the columns of `scored`, which must be there, of some methods' metric."""
        return self.scored.columns.get_indexer([(*key, metric) for key in keys])

    def complete(self, metric: str) -> pd.DataFrame:
        """The columns (method, variant) of `wide` that have the metric on every image."""
        return self.wide.xs(metric, axis=1, level="metric").dropna(axis=1)

    def _pair_up(self, metric: str) -> PairedScores | None:
        complete = self.complete(metric)
        values = {key: complete[key].to_numpy() for key in self.ranked if key in complete}
        if not values:
            return None
        means = seed_means_of(self.seed_means.xs(metric, level="metric"))
        return pair_up(values, means, self.photos, self.strata)


class ScoreTable:
    """The scores of a run with its method cards and photos.

    scores: columns `schema.SCORES`. methods: the cards. photos: columns dataset, weather, image,
    photo; an image without a row there is its own photo. Raises UserError if a score comes twice.
    """

    def __init__(self, scores: pd.DataFrame, methods: Cards, photos: pd.DataFrame | None = None):
        _refuse_duplicates(scores)
        self.scores, self.methods, self.photos = scores, methods, photos
        self.ranked = [key_of(card) for card in methods if not card.get("control")]

    @cached_property
    def seeds(self) -> pd.DataFrame:
        """Rows (dataset, weather, image), columns (method, variant, metric, seed); NaN unless ok.

        Every method has columns for all `METRICS`, so a metric without a score is missing, not
        unknown.
        """
        values = self.scores.assign(
            metric=self.scores["protocol"] + "/" + self.scores["metric"],
            value=self.scores["value"].where(self.scores["status"] == OK),
        )
        names = [*METHOD, "metric", "seed"]
        wide = values.pivot(index=IMAGE, columns=names, values="value")
        seeds = self.scores[[*METHOD, "seed"]].drop_duplicates()
        columns = sorted(
            (method, variant, metric, seed)
            for method, variant, seed in seeds.itertuples(index=False)
            for metric in METRICS
        )
        return wide.reindex(columns=pd.MultiIndex.from_tuples(columns, names=names))

    @cached_property
    def wide(self) -> pd.DataFrame:
        """Means over seeds: rows (dataset, weather, image), columns (method, variant, metric).

        NaN where one of the method's seeds has no score of status ok.
        """
        means = self.seeds.T.groupby(level=[*METHOD, "metric"], sort=False)
        return means.mean(skipna=False).T

    @cached_property
    def datasets(self) -> list[str]:
        """The data sets in the order of the run's configuration, which is that of its images: the
        first is the main one."""
        listed = [] if self.photos is None else self.photos["dataset"].unique()
        scored = self.scores["dataset"].unique()
        return [name for name in dict.fromkeys([*listed, *scored]) if name in scored]

    def groups(self) -> Iterator[ScoreGroup]:
        """The groups of a leaderboard: for each data set `all`, then its weathers.

        Made one at a time: the paired scores of a large run do not fit into memory together.
        """
        at = self.wide.index.get_level_values("dataset")
        for dataset in self.datasets:
            rows = self.wide[at == dataset]
            yield (whole := self._group(dataset, ALL, rows.index))
            weathers = list(weather_rows(rows))
            for weather, index in weathers:
                if len(weathers) == 1:
                    yield whole.named(weather)
                else:
                    yield self._group(dataset, weather, index)

    def group_of_all(self, dataset: str) -> ScoreGroup:
        """The group of all weathers of a data set."""
        at = self.wide.index.get_level_values("dataset") == dataset
        return self._group(dataset, ALL, self.wide.index[at])

    def _group(self, dataset: str, weather: str, rows: pd.Index) -> ScoreGroup:
        strata = rows.get_level_values("weather").to_numpy() if weather == ALL else None
        seeds = self.seeds.loc[rows]
        means = pd.Series(stratified_mean(seeds.to_numpy(), strata), index=seeds.columns)
        photos = self._photo_names.loc[rows].to_numpy()
        wide = self.wide.loc[rows]
        names = rows.get_level_values("weather").unique()
        drawn_as = names[0] if len(names) == 1 else weather
        return ScoreGroup(
            dataset, weather, self.ranked, seeds, wide, photos, strata, means, drawn_as
        )

    @cached_property
    def _photo_names(self) -> pd.Series:
        """The photo of each row of `wide`."""
        index = self.wide.index
        images = pd.Series(index.get_level_values("image"), index=index)
        if self.photos is None:
            return images
        known = self.photos.drop_duplicates(IMAGE).set_index(IMAGE)["photo"]
        return known.reindex(index).fillna(images)


def weather_rows(rows: pd.DataFrame) -> Iterator[tuple[str, pd.Index]]:
    """The weathers of one data set's rows of `ScoreTable.wide`, each with its index."""
    weathers = rows.index.get_level_values("weather")
    for weather in sorted(weathers.unique(), key=weather_rank):
        yield weather, rows.index[weathers == weather]


def weather_rank(weather: str) -> tuple[int, str]:
    """Sorts weathers: `all`, the suite's own in their usual order, then any other by name."""
    known = (ALL, *ALL_WEATHERS)
    return (known.index(weather) if weather in known else len(known), weather)


def _refuse_duplicates(scores: pd.DataFrame) -> None:
    key = [*IMAGE, *METHOD, "seed", "protocol", "metric"]
    twice = scores[scores.duplicated(key)]
    if len(twice):
        row = twice.iloc[0]
        raise UserError(
            f"scores.csv has {len(twice)} scores twice, e.g. {row['protocol']}/{row['metric']} of "
            f"{row['method']} {row['variant']} on {row['image']}; delete it and score again."
        )
