"""What each method changes: its score minus the input's on the same images."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.board.score_table import ScoreGroup
from benchmark.results.layout import write_csv
from benchmark.results.schema import METHOD
from benchmark.results.tables import Cards, key_of, read_table, shows_input
from benchmark.scoring.metrics import METRIC
from benchmark.significance.intervals import difference_interval
from benchmark.significance.pairwise import Key, seed_means_of, variance_from_seeds
from benchmark.significance.variances import Variance, photo_variance, stratified_mean

FILE = "against_input.csv"
NUMBERS = ("change", "low", "high")
COLUMNS = ("dataset", "weather", "metric", *METHOD, *NUMBERS)


def input_key(methods: Cards) -> Key | None:
    """The control that returns the input."""
    return next((key_of(card) for card in methods if shows_input(card)), None)


def changes(group: ScoreGroup, metric: str, given: Key) -> pd.DataFrame:
    """Mean and 95 % interval of each method's score minus the input's, in the metric's unit.

    given: the control that returns the input. One row a method that is no control and has scores of
    the metric on all images, as the input must have; columns COLUMNS. The interval is over photos
    and seeds, of the differences on the same images, so what makes some photos harder than others
    does not widen it. A row is NaN where a score is infinite: PSNR of a clear input.
    """
    complete = group.complete(metric)
    keys = [key for key in group.ranked if key in complete and given in complete]
    if not keys:
        return pd.DataFrame(columns=list(COLUMNS))
    with np.errstate(invalid="ignore"):  # infinite minus infinite
        differences = complete[keys].to_numpy() - complete[given].to_numpy()[:, None]
    differences = np.where(np.isfinite(differences).all(axis=0), differences, np.nan)
    seeds = seed_means_of(group.seed_means.xs(metric, level="metric"))
    pairs = group.columns([*keys, given], metric)
    ends = difference_interval(
        stratified_mean(differences, group.strata),
        group.resampled,
        np.column_stack([pairs[:-1], np.full(len(keys), pairs[-1])]),
        photo_variance(differences, group.photos, group.strata),
        Variance.join([variance_from_seeds(key, given, seeds) for key in keys]),
    )
    table = pd.DataFrame(keys, columns=METHOD).assign(
        dataset=group.dataset, weather=group.weather, metric=metric,
        **dict(zip(NUMBERS, ends, strict=True)),
    )  # fmt: skip
    return table[list(COLUMNS)]


def all_changes(group: ScoreGroup, methods: Cards) -> list[pd.DataFrame]:
    """The changes of a group, a table for each metric; none without a control for the input."""
    given = input_key(methods)
    return [] if given is None else [changes(group, metric, given) for metric in METRIC]


def write_changes(run_dir: Path, tables: Sequence[pd.DataFrame]) -> None:
    """Write `against_input.csv` of a run."""
    found = [table for table in tables if len(table)]
    empty = pd.DataFrame(columns=list(COLUMNS))
    write_csv(pd.concat(found, ignore_index=True) if found else empty, run_dir / FILE)


def read_changes(run_dir: Path) -> pd.DataFrame:
    """`against_input.csv` of a run, columns COLUMNS.

    Raises UserError if it is missing or malformed.
    """
    again = f"run `python -m benchmark leaderboard {run_dir}` again"
    return read_table(run_dir / FILE, COLUMNS, again, NUMBERS)
