"""Every pair of methods of a run, compared on the same images: `comparisons.csv` and `.md`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.board.pairs_markdown import to_markdown
from benchmark.board.score_table import METRICS, ScoreGroup, ScoreTable
from benchmark.board.set_table import SetGroup, set_groups
from benchmark.core.atomic import write_text
from benchmark.results.layout import write_csv
from benchmark.results.schema import METHOD
from benchmark.results.tables import (
    Cards,
    read_images,
    read_methods,
    read_scores,
    read_set_scores,
)
from benchmark.scoring.metrics import ANY_METRIC, METRIC
from benchmark.significance.bootstrap import column_blocks
from benchmark.significance.friedman import RankTests, rank_tests
from benchmark.significance.paired_tests import share_interval
from benchmark.significance.pairwise import Key, PairedScores
from benchmark.significance.variances import stratified_mean

COLUMNS = (
    "dataset",
    "weather",
    "metric",
    "method_a",
    "variant_a",
    "method_b",
    "variant_b",
    "n_images",
    "n_photos",
    "n_seeds_a",
    "n_seeds_b",
    "difference",
    "difference_low",
    "difference_high",
    "effect",
    "p",
    "p_holm",
    "p_better",
    "p_better_low",
    "p_better_high",
    "p_nemenyi",
)
SeedValues = dict[Key, dict[str, np.ndarray]]


@dataclass
class Comparisons:
    """All pairs and places that were computed so far; two are joined with `+=`.

    pairs: tables with the columns `COLUMNS`. places: tables of each method's place: dataset,
    weather, metric, method, variant, n_seeds, value, rank_first, rank_last, average_rank, n_photos,
    and the group's friedman, p_friedman and critical_difference.
    """

    pairs: list[pd.DataFrame] = field(default_factory=list)
    places: list[pd.DataFrame] = field(default_factory=list)

    def __iadd__(self, other: "Comparisons") -> "Comparisons":
        self.pairs += other.pairs
        self.places += other.places
        return self

    def tables(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """All pairs and all places as two tables."""
        empty = [pd.DataFrame(columns=list(COLUMNS))]
        return pd.concat(self.pairs or empty, ignore_index=True), pd.concat(self.places or empty)


def write_comparisons(run_dir: str | Path) -> pd.DataFrame:
    """Write `comparisons.csv` and `comparisons.md` of a run and return the table.

    Raises UserError if a table of the run is missing or malformed.
    """
    run_dir = Path(run_dir)
    table = ScoreTable(read_scores(run_dir), read_methods(run_dir), read_images(run_dir))
    compared = compare_all(table)
    scores_of_sets = read_set_scores(run_dir)
    for group in () if scores_of_sets is None else set_groups(scores_of_sets, table.methods):
        compared += compare_sets(group)
    return save_comparisons(run_dir, compared, table.methods)


def save_comparisons(run_dir: Path, compared: Comparisons, methods: Cards) -> pd.DataFrame:
    """Write `comparisons.csv` and `comparisons.md`; return the table of pairs."""
    pairs, places = compared.tables()
    write_csv(pairs, run_dir / "comparisons.csv")
    write_text(run_dir / "comparisons.md", to_markdown(pairs, places, methods))
    return pairs


def compare_all(table: ScoreTable, metrics: Sequence[str] = METRICS) -> Comparisons:
    """Compare all methods that are not controls, for every data set, weather and metric."""
    found = Comparisons()
    for group in table.groups():
        found += compare_group(group, metrics)
    return found


def compare_group(group: ScoreGroup, metrics: Sequence[str] = METRICS) -> Comparisons:
    """Compare all methods that are not controls on one group, for each metric.

    Differences are a - b in the metric's unit. `p_better` is the probability that a is better than
    b on an image; ties count half. A method with a missing value is left out.
    """
    found = Comparisons()
    for metric in metrics:
        paired = group.paired_scores(metric)
        if paired is not None:
            tests = rank_tests(paired, METRIC[metric].lower_is_better)
            seeds = _seed_values(group, paired.keys, metric)
            found.pairs.append(_pairs(group, paired, metric, tests, seeds))
            found.places.append(_places(group, paired, metric, tests, seeds))
    return found


def compare_sets(group: SetGroup) -> Comparisons:
    """Compare all methods that are not controls by their scores of sets.

    A set has no values of images: what is counted on them (`n_images`, `effect`, `p_better`, ranks
    over photos) is missing.
    """
    paired = group.paired
    if paired is None:
        return Comparisons()
    names = {"dataset": group.dataset, "weather": group.weather, "metric": group.metric}
    half = (paired.test.of_photos + paired.seeds).half_width()
    first, second = ([paired.keys[i] for i in side] for side in paired.pairs.T)
    pairs = {
        "method_a": [key[0] for key in first],
        "variant_a": [key[1] for key in first],
        "method_b": [key[0] for key in second],
        "variant_b": [key[1] for key in second],
        "n_photos": len(paired.photos),
        "n_seeds_a": [len(group.seeds[key]) for key in first],
        "n_seeds_b": [len(group.seeds[key]) for key in second],
        "difference": paired.test.difference,
        "difference_low": paired.test.difference - half,
        "difference_high": paired.test.difference + half,
        "p": paired.test.p,
        "p_holm": paired.p_holm,
    }
    ranks = paired.ranks(ANY_METRIC[group.metric].lower_is_better)
    places = pd.DataFrame(paired.keys, columns=METHOD).assign(
        **names,
        n_seeds=[len(group.seeds[key]) for key in paired.keys],
        value=paired.means(),
        rank_first=[ranks[key][0] for key in paired.keys],
        rank_last=[ranks[key][1] for key in paired.keys],
        n_photos=len(paired.photos),
        **dict.fromkeys(("average_rank", "friedman", "p_friedman", "critical_difference"), np.nan),
    )
    lower = ANY_METRIC[group.metric].lower_is_better
    places = places.sort_values("value", ascending=lower, kind="stable", ignore_index=True)
    table = pd.DataFrame(pairs).assign(**names).reindex(columns=list(COLUMNS))
    return Comparisons([table], [places])


def _pairs(
    group: ScoreGroup, paired: PairedScores, metric: str, tests: RankTests, seeds: SeedValues
) -> pd.DataFrame:
    test = paired.test
    ends = paired.intervals(group.resampled, group.columns(paired.keys, metric))
    better = _probability_better(paired, metric, seeds)
    n_photos = len(np.unique(paired.photos))
    better_low, better_high = share_interval(better, n_photos)
    first, second = ([paired.keys[i] for i in side] for side in paired.pairs.T)
    table = {
        "method_a": [key[0] for key in first],
        "variant_a": [key[1] for key in first],
        "method_b": [key[0] for key in second],
        "variant_b": [key[1] for key in second],
        "n_images": len(paired.values),
        "n_photos": n_photos,
        "n_seeds_a": [len(seeds[key]) for key in first],
        "n_seeds_b": [len(seeds[key]) for key in second],
        "difference": test.difference,
        "difference_low": ends.low,
        "difference_high": ends.high,
        "effect": test.effect,
        "p": test.p,
        "p_holm": paired.p_holm,
        "p_better": better,
        "p_better_low": better_low,
        "p_better_high": better_high,
        "p_nemenyi": tests.p_pairs,
    }
    names = {"dataset": group.dataset, "weather": group.weather, "metric": metric}
    return pd.DataFrame(table).assign(**names)[list(COLUMNS)]


def _seed_values(group: ScoreGroup, keys: list[Key], metric: str) -> SeedValues:
    """Each method's values (N,) by seed."""
    of_metric = group.seeds.xs(metric, axis=1, level="metric")
    values: SeedValues = {key: {} for key in keys}
    for number, (method, variant, seed) in enumerate(of_metric.columns):
        if (method, variant) in values:
            values[method, variant][seed] = of_metric.iloc[:, number].to_numpy()
    return values


def _probability_better(paired: PairedScores, metric: str, seeds: SeedValues) -> np.ndarray:
    """The share of images on which the first method of each pair is better, over seeds: (P,)."""
    sign, count = -1 if METRIC[metric].lower_is_better else 1, len(paired.values)
    shares = np.zeros(len(paired.pairs))
    for part in column_blocks(len(paired.pairs), count):
        wins = np.empty((count, len(paired.pairs[part])))
        for column, (i, j) in enumerate(paired.pairs[part]):
            of_a, of_b = seeds[paired.keys[i]], seeds[paired.keys[j]]
            if paired.keys[i][0] == paired.keys[j][0] and of_a.keys() == of_b.keys():
                matches = [(of_a[seed], of_b[seed]) for seed in of_a]  # the same trainings
            else:
                matches = [(a, b) for a in of_a.values() for b in of_b.values()]
            # Not by their difference, which is NaN for two infinite values.
            won = [((sign * a > sign * b) + 0.5 * (a == b)) for a, b in matches]
            wins[:, column] = np.mean(won, axis=0)
        shares[part] = stratified_mean(wins, paired.strata)
    return shares


def _places(
    group: ScoreGroup, paired: PairedScores, metric: str, tests: RankTests, seeds: SeedValues
) -> pd.DataFrame:
    lower_is_better = METRIC[metric].lower_is_better
    places = paired.ranks(lower_is_better)
    table = pd.DataFrame(paired.keys, columns=METHOD).assign(
        dataset=group.dataset,
        weather=group.weather,
        metric=metric,
        n_seeds=[len(seeds[key]) for key in paired.keys],
        value=paired.means(),
        rank_first=[places[key][0] for key in paired.keys],
        rank_last=[places[key][1] for key in paired.keys],
        average_rank=tests.average,
        n_photos=tests.photos,
        friedman=tests.statistic,
        p_friedman=tests.p,
        critical_difference=tests.critical_difference,
    )
    better_first = table.sort_values("value", ascending=lower_is_better, kind="stable")
    return better_first.reset_index(drop=True)
