"""The figure of coverage: how often the truth lies between samples, against what is expected."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from benchmark.board.ensembles import Ensemble
from benchmark.board.score_table import ALL
from benchmark.report.figures.style import MARKERS, PALETTE, Drawn, titled
from benchmark.results.tables import Cards, by_key, label

LINE = {"color": "0.35", "linestyle": "--", "linewidth": 1}


def coverage(found: Sequence[Ensemble], methods: Cards, dataset: str) -> Drawn | None:
    """Coverage of every central interval of the samples, with 95 % intervals over photos.

    found: of a run. Below the diagonal, a method is too sure. None if no variant of the data set
    has samples that differ.
    """
    labels = {key: label(card) for key, card in by_key(methods).items()}
    shown = [
        each
        for each in found
        if (each.dataset, each.weather) == (dataset, ALL) and not (each.reason or each.one_answer)
    ]
    if not shown:
        return None
    figure = Figure(figsize=(6.4, 5.2 + 0.2 * len(shown)), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], label="neither too sure nor too unsure", **LINE)
    texts = []
    for number, each in enumerate(shown):
        expected, covered = each.coverages()
        arms = np.nan_to_num(np.stack([covered.mean - covered.low, covered.high - covered.mean]))
        name = labels[each.method, each.variant]
        axes.errorbar(
            expected, covered.mean, np.clip(arms, 0, None),
            color=PALETTE[number % len(PALETTE)], marker=MARKERS[number % len(MARKERS)],
            markersize=5, linewidth=1.5, capsize=2, elinewidth=1,
            label=f"{name}, {each.count} samples",
        )  # fmt: skip
        texts.append(f"{name} {covered.mean[0]:.2f} of {expected[0]:.2f}")
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="expected coverage", ylabel="coverage")
    axes.set_aspect("equal")
    figure.legend(loc="outside lower center", ncols=1, frameon=False)
    alt = f"Coverage of intervals of samples, widest: {', '.join(texts)}; in uncertainty.csv."
    return titled(figure, "Does the truth lie among the samples?", alt, dataset)
