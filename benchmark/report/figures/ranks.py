"""The critical difference diagram: average ranks; a bar joins methods that may be ties."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from benchmark.board.aggregate import ORDER
from benchmark.board.score_table import ScoreTable
from benchmark.report.figures.style import Drawn, titled
from benchmark.results.tables import by_key, label
from benchmark.scoring.metrics import METRIC, Metric
from benchmark.significance.friedman import RankTests, rank_tests
from benchmark.significance.pairwise import PairedScores


def rank_diagram(scores: ScoreTable, dataset: str) -> Drawn | None:
    """Average ranks of a data set's methods over photos and all weathers, by the metric that gives
    the ranks of its leaderboard.

    A bar joins methods whose average ranks do not differ significantly (Nemenyi, 5 %). None if
    there are fewer than three methods or two photos.
    """
    group = scores.group_of_all(dataset)
    for metric in map(METRIC.get, ORDER):
        paired = group.paired_scores(metric.key)
        if paired is not None:
            tests = rank_tests(paired, metric.lower_is_better)
            cards = by_key(scores.methods)
            names = [label(cards[key]) for key in paired.keys]
            return None if np.isnan(tests.p) else _draw(paired, tests, names, metric, dataset)
    return None


def _draw(
    paired: PairedScores, tests: RankTests, names: list[str], metric: Metric, dataset: str
) -> Drawn:
    import scikit_posthocs

    matrix = np.eye(len(names))
    first, second = paired.pairs.T
    matrix[first, second] = matrix[second, first] = tests.p_pairs
    # Not labels: two may be equal, and a set of texts has another order in another process.
    numbers = list(range(len(names)))
    figure = Figure(figsize=(9, 1.6 + 0.16 * len(names)), layout="constrained")
    axes = figure.subplots()
    axes.grid(visible=False)
    drawn = scikit_posthocs.critical_difference_diagram(
        dict(zip(numbers, tests.average, strict=True)),
        pd.DataFrame(matrix, index=numbers, columns=numbers),
        ax=axes,
        label_fmt_left="{label}",
        label_fmt_right="{label}",
    )
    for text in drawn["labels"]:
        number = int(text.get_text())
        # Spaces: between the text and its line. Black: not every colour of a line can be read.
        text.set(text=f" {names[number]} ({tests.average[number]:.2f}) ", color="black")
    title = f"Average ranks by {metric.acronym}"
    order = np.argsort(tests.average)
    best = ", ".join(f"{names[i]} {tests.average[i]:.2f}" for i in order[:3])
    alt = (
        f"Average ranks of {len(names)} methods over {tests.photos} photos, best first: {best}. "
        f"Ranks less than {tests.critical_difference:.2f} apart may be ties. "
        "The same numbers are in comparisons.md."
    )
    return titled(figure, title, alt, dataset)
