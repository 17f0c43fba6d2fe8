"""The samples of a run's variants, with what their spread tells about their error.

Scores are averaged over seeds for each image, then over images; photos are drawn for the intervals,
as in `significance.intervals`.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from benchmark.board.score_table import ALL, weather_rank
from benchmark.core.seeds import numpy_generator
from benchmark.results.schema import METHOD, OK
from benchmark.scoring.metrics.ensembles import central_interval, coverage, spread_skill
from benchmark.significance.bootstrap import Array, Resampled, resample_tables
from benchmark.significance.intervals import (
    LEAST_PHOTOS,
    Interval,
    cut,
    interval_levels,
    interval_of,
)
from benchmark.significance.variances import photo_variance, stratified_mean

PLACE = ["weather", "image"]
VARIANT = ["dataset", *METHOD]


@dataclass(frozen=True, eq=False)
class Ensemble:
    """The samples of a variant on a data set's weather, or on all of its weathers.

    count: of the samples of an image. values: one row an image, columns metrics, means over seeds;
    a missing value is NaN. photos, strata: (images,), as in `mean_interval`. reason: status and
    reason of the first image without any score; empty if all images have some.
    """

    dataset: str
    weather: str
    method: str
    variant: str
    count: int
    values: pd.DataFrame
    photos: np.ndarray
    strata: np.ndarray | None
    reason: str

    @property
    def one_answer(self) -> bool:
        """Whether all samples of each image are the same: a map without noise."""
        return not self.reason and bool((self.values["variance"] == 0).all())

    @cached_property
    def _ranks(self) -> Array:
        return self.values[[f"rank-{rank}" for rank in range(self.count + 1)]].to_numpy()

    def mean(self, metric: str) -> float:
        """The mean of a metric over images; NaN if it was not scored."""
        if self.reason or metric not in self.values:
            return float("nan")
        return float(stratified_mean(self.values[metric].to_numpy(), self.strata)[0])

    def crps(self) -> Interval:
        """The mean CRPS with its interval, arrays (1,)."""
        return cut(self._interval("crps"), 0.0, math.inf)

    def spread_skill(self) -> Interval:
        """The ratio of spread and error (`ensembles.spread_skill`) with its interval: (1,).

        Below `LEAST_PHOTOS` photos the interval is Student's, of the ratio's logarithm: half the
        difference of two logarithms of means, each taken for linear around its mean.
        """
        values, drawn = self._tables["spread_skill"], self._resampled["spread_skill"]
        means = stratified_mean(values, self.strata)
        ratio = np.atleast_1d(spread_skill(*means, self.count))
        if drawn.kept is None:
            return Interval(ratio, np.full(1, np.nan), np.full(1, np.nan))
        if drawn.fewest < LEAST_PHOTOS:
            with np.errstate(invalid="ignore", divide="ignore"):  # a mean is 0
                logarithm = values / means @ [0.5, -0.5]
            half = photo_variance(logarithm, self.photos, self.strata).half_width()
            return Interval(ratio, ratio * np.exp(-half), ratio * np.exp(half))
        ratios = spread_skill(*drawn.rows([0, 1]), self.count)
        levels = interval_levels(drawn.photos)
        low, high = np.nanquantile(ratios, levels)
        return Interval(ratio, np.array([low]), np.array([high]))

    def coverages(self) -> tuple[Array, Interval]:
        """Expected coverage of all central intervals of the samples, and what they cover: (K,)."""
        expected = [(self.count + 1 - 2 * j) / (self.count + 1) for j in self._firsts]
        return np.array(expected), cut(self._interval("coverages"), 0.0, 1.0)

    def coverage(self) -> tuple[float, Interval]:
        """The same of the central interval that is nearest to 90 %, or of the widest below."""
        return central_interval(self.count)[2], cut(self._interval("coverage"), 0.0, 1.0)

    @property
    def _firsts(self) -> range:
        """The lower ends j of all central intervals [x(j), x(N + 1 - j)] of the samples."""
        return range(1, self.count // 2 + 1)

    @cached_property
    def _tables(self) -> dict[str, Array]:
        """The values (images, K) of all that has an interval."""
        first, last, _ = central_interval(self.count)
        covered = [coverage(self._ranks, j, self.count + 1 - j) for j in self._firsts]
        return {
            "crps": self.values[["crps"]].to_numpy(),
            "spread_skill": self.values[["variance", "squared_error"]].to_numpy(),
            "coverages": np.stack(covered, axis=1),
            "coverage": coverage(self._ranks, first, last)[:, None],
        }

    @cached_property
    def _resampled(self) -> dict[str, Resampled]:
        """The means of `_tables` in every resample of the photos, which are drawn once."""
        generator = numpy_generator("samples", self.dataset, self.weather)
        tables = [*self._tables.values()]
        drawn = resample_tables(tables, self.photos, generator, self.strata)
        return dict(zip(self._tables, drawn, strict=True))

    def _interval(self, name: str) -> Interval:
        values = self._tables[name]
        of_photos = photo_variance(values, self.photos, self.strata)
        mean = stratified_mean(values, self.strata)
        return interval_of(mean, self._resampled[name], of_photos)


def ensembles(scores: pd.DataFrame, images: pd.DataFrame | None) -> Iterator[Ensemble]:
    """The variants of which several samples were scored: for each data set `all`, then its
    weathers.

    scores: columns `schema.SAMPLE_SCORES`. images: rows of images.csv; an image without a row is
    its own photo.
    """
    photos = {}
    if images is not None:
        photos = images.set_index(["dataset", *PLACE])["photo"].to_dict()
    for (dataset, method, variant), rows in scores.groupby(VARIANT, sort=False):
        wide = _wide(rows)
        weathers = sorted(wide.index.unique("weather"), key=weather_rank)
        for weather in (ALL, *weathers):
            part = wide if weather == ALL else wide.xs(weather, level="weather", drop_level=False)
            places = list(part.index)
            yield Ensemble(
                str(dataset), weather, str(method), str(variant),
                int(rows["samples"].max()), part,
                np.array([photos.get((dataset, *place), place[1]) for place in places]),
                np.array([place[0] for place in places]) if weather == ALL else None,
                _reason(rows if weather == ALL else rows[rows["weather"] == weather]),
            )  # fmt: skip


def _wide(rows: pd.DataFrame) -> pd.DataFrame:
    """One row an image, columns metrics: means over seeds, NaN if one of them has no value."""
    seeds = rows.pivot_table(
        index=[*PLACE, "seed"], columns="metric", values="value", aggfunc="first", dropna=False
    )
    places = rows[PLACE].drop_duplicates()
    means = seeds.groupby(level=PLACE).mean()
    missing = seeds.isna().groupby(level=PLACE).any()
    return means.mask(missing).reindex(pd.MultiIndex.from_frame(places)).sort_index()


def _reason(rows: pd.DataFrame) -> str:
    bad = rows[(rows["status"] != OK) & (rows["metric"] == "")]
    if bad.empty:
        return ""
    first, count = bad.iloc[0], bad[PLACE].drop_duplicates()
    return f"{first['status']}: {first['reason']} ({len(count)} images)"
