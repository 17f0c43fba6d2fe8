"""Every pair of methods of a run, compared on the same images: `comparisons.csv` and `.md`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.board.aggregate import METRICS, ScoreGroup, score_groups
from benchmark.board.format import LOWER_IS_BETTER
from benchmark.board.pairs_markdown import to_markdown
from benchmark.core.atomic import atomic_path, write_text
from benchmark.core.errors import UserError, nearest
from benchmark.core.seeds import numpy_generator
from benchmark.results.tables import Cards, read_images, read_methods, read_scores
from benchmark.significance.friedman import rank_tests
from benchmark.significance.intervals import mean_interval, stratified_mean
from benchmark.significance.paired_tests import holm, share_interval
from benchmark.significance.pairwise import Contest, Key, ranks

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


def write_comparisons(run_dir: str | Path, metrics: Sequence[str] | None = None) -> pd.DataFrame:
    """Write `comparisons.csv` and `comparisons.md` of a run and return the table.

    metrics: such as `rgb/psnr`; all that the run has if None. Raises UserError for an unknown
    metric and where a table of the run is missing.
    """
    for metric in metrics or ():
        if metric not in METRICS:
            raise UserError(f"There is no metric '{metric}'.{nearest(metric, METRICS)}")
    run_dir = Path(run_dir)
    scores, methods, photos = read_scores(run_dir), read_methods(run_dir), read_images(run_dir)
    chosen = [metric for metric in METRICS if metric in (metrics or METRICS)]
    table, places = compare_all(scores, methods, photos, chosen)
    with atomic_path(run_dir / "comparisons.csv") as path:
        table.to_csv(path, index=False)
    write_text(run_dir / "comparisons.md", to_markdown(table, places, methods))
    return table


def compare_all(
    scores: pd.DataFrame,
    methods: Cards,
    photos: pd.DataFrame | None = None,
    metrics: Sequence[str] = METRICS,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare all methods that are not controls, for every data set, weather and metric.

    Returns the pairs (columns `COLUMNS`) and each method's place: dataset, weather, metric, method,
    variant, n_seeds, value, rank_first, rank_last, average_rank, n_photos, and the group's
    friedman, p_friedman and critical_difference. Differences are a - b in the metric's unit;
    `p_better` is the probability that a is better than b on an image, ties counting half. A method
    with a missing value in a group is in none of its comparisons.
    """
    ranked = [(card["method"], card["variant"]) for card in methods if not card.get("control")]
    pairs, places = [], []
    for group in score_groups(scores, photos):
        for metric in metrics:
            contest = group.contest(ranked, metric)
            if contest is None:
                continue
            tests = rank_tests(contest, metric in LOWER_IS_BETTER)
            pairs.append(_pairs(group, contest, metric, tests.p_pairs))
            places.append(_places(group, contest, metric, tests))
    empty = [pd.DataFrame(columns=list(COLUMNS))]
    return pd.concat(pairs or empty, ignore_index=True), pd.concat(places or empty)


def _pairs(group: ScoreGroup, contest: Contest, metric: str, p_nemenyi) -> pd.DataFrame:
    test = contest.test()
    generator = numpy_generator("comparisons", group.dataset, group.weather, metric)
    ends = mean_interval(
        contest.differences, contest.photos, generator, contest.strata, contest.seeds
    )
    better = _probability_better(group, contest, metric)
    n_photos = len(np.unique(contest.photos))
    better_ends = share_interval(better, n_photos)
    seeds = _seed_values(group, contest.keys, metric)
    first, second = ([contest.keys[i] for i in side] for side in contest.pairs.T)
    table = {
        "method_a": [key[0] for key in first],
        "variant_a": [key[1] for key in first],
        "method_b": [key[0] for key in second],
        "variant_b": [key[1] for key in second],
        "n_images": len(contest.values),
        "n_photos": n_photos,
        "n_seeds_a": [len(seeds[key]) for key in first],
        "n_seeds_b": [len(seeds[key]) for key in second],
        "difference": test.difference,
        "difference_low": ends.low,
        "difference_high": ends.high,
        "effect": test.effect,
        "p": test.p,
        "p_holm": holm(test.p),
        "p_better": better,
        "p_better_low": better_ends.low,
        "p_better_high": better_ends.high,
        "p_nemenyi": p_nemenyi,
    }
    names = {"dataset": group.dataset, "weather": group.weather, "metric": metric}
    return pd.DataFrame(table).assign(**names)[list(COLUMNS)]


def _seed_values(group: ScoreGroup, keys: list[Key], metric: str) -> dict[Key, dict]:
    """Each method's values (N,) by seed."""
    return {
        key: {
            column[3]: group.seeds[column].to_numpy()
            for column in group.seeds.columns
            if column[:3] == (*key, metric)
        }
        for key in keys
    }


def _probability_better(group: ScoreGroup, contest: Contest, metric: str) -> np.ndarray:
    """The share of images on which the first of each pair is better, over their seeds: (P,)."""
    seeds = _seed_values(group, contest.keys, metric)
    sign = -1 if metric in LOWER_IS_BETTER else 1
    wins = np.empty((len(contest.values), len(contest.pairs)))
    for column, (i, j) in enumerate(contest.pairs):
        of_a, of_b = seeds[contest.keys[i]], seeds[contest.keys[j]]
        if contest.keys[i][0] == contest.keys[j][0] and of_a.keys() == of_b.keys():
            met = [(of_a[seed], of_b[seed]) for seed in of_a]  # one training, two settings
        else:
            met = [(a, b) for a in of_a.values() for b in of_b.values()]
        # Not their difference: two infinite values are equal.
        won = [((sign * a > sign * b) + 0.5 * (a == b)) for a, b in met]
        wins[:, column] = np.mean(won, axis=0)
    return stratified_mean(wins, contest.strata) if len(contest.pairs) else np.zeros(0)


def _places(group: ScoreGroup, contest: Contest, metric: str, tests) -> pd.DataFrame:
    places = ranks(contest, metric in LOWER_IS_BETTER)
    seeds = _seed_values(group, contest.keys, metric)
    table = pd.DataFrame(contest.keys, columns=["method", "variant"]).assign(
        dataset=group.dataset,
        weather=group.weather,
        metric=metric,
        n_seeds=[len(seeds[key]) for key in contest.keys],
        value=stratified_mean(contest.values, contest.strata),
        rank_first=[places[key][0] for key in contest.keys],
        rank_last=[places[key][1] for key in contest.keys],
        average_rank=tests.average,
        n_photos=tests.photos,
        friedman=tests.statistic,
        p_friedman=tests.p,
        critical_difference=tests.critical_difference,
    )
    better_first = table.sort_values("value", ascending=metric in LOWER_IS_BETTER, kind="stable")
    return better_first.reset_index(drop=True)
