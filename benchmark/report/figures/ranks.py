"""The critical difference diagram: average ranks, with bars over methods that may be ties."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from benchmark.board.aggregate import ALL, ORDER, score_groups
from benchmark.board.format import HEADINGS
from benchmark.report.figures.style import Drawn
from benchmark.results.tables import Cards, label
from benchmark.significance.friedman import RankTests, rank_tests
from benchmark.significance.pairwise import Contest


def rank_diagram(
    scores: pd.DataFrame, methods: Cards, photos: pd.DataFrame | None, dataset: str
) -> Drawn | None:
    """Average ranks of a data set's methods over photos and all weathers, by what orders its board.

    A bar joins methods whose average ranks Nemenyi's test (5 %) does not tell apart. None where
    fewer than three methods, or than two photos, can be ranked.
    """
    ranked = [(card["method"], card["variant"]) for card in methods if not card.get("control")]
    group = next(
        group
        for group in score_groups(scores[scores["dataset"] == dataset], photos)
        if group.weather == ALL
    )
    for metric, lower in ORDER.items():
        contest = group.contest(ranked, metric)
        if contest is not None:
            tests = rank_tests(contest, lower)
            labels = {(card["method"], card["variant"]): label(card) for card in methods}
            names = [labels[key] for key in contest.keys]
            return None if np.isnan(tests.p) else _draw(contest, tests, names, metric, dataset)
    return None


def _draw(contest: Contest, tests: RankTests, names: list[str], metric: str, dataset: str) -> Drawn:
    import scikit_posthocs

    matrix = np.eye(len(names))
    first, second = contest.pairs.T
    matrix[first, second] = matrix[second, first] = tests.p_pairs
    # By number: two labels may be the same.
    numbers = [str(number) for number in range(len(names))]
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
        text.set_text(f"{names[number]} ({tests.average[number]:.2f})")
    heading = HEADINGS[metric].split(" ")[0]
    title = f"Average ranks by {heading}"
    figure.suptitle(f"{title} · {dataset}", x=0.01, ha="left", fontsize=13, fontweight="bold")
    order = np.argsort(tests.average)
    best = ", ".join(f"{names[i]} {tests.average[i]:.2f}" for i in order[:3])
    alt = (
        f"Average ranks of {len(names)} methods over {tests.photos} photos, best first: {best}. "
        f"Ranks less than {tests.critical_difference:.2f} apart may be ties. "
        "The same numbers are in comparisons.md."
    )
    return Drawn(figure, title, alt)
