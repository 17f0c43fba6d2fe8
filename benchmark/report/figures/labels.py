"""Names of a figure's points."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy.optimize import linear_sum_assignment


def label_points(axes: Axes, rows: pd.DataFrame, x: str, y: str) -> None:
    """Names in a column beside the axes, without overlap; no two of their lines cross.

    rows: with the columns `x` and `y` of the points, and `label`. All else is drawn before: the
    places are chosen for the limits that the axes then have.

    Of all ways to join points and places, that of the least total length has no crossing: two lines
    that cross could be exchanged for two shorter ones.
    """
    points = rows[[x, y]].to_numpy()
    count = len(points)
    heights = np.linspace(0.02, 0.98, count) if count > 1 else np.array([0.5])
    places = np.column_stack([np.full(count, 1.03), heights])
    axes.get_xlim(), axes.get_ylim()  # apply the pending autoscaling, which `transData` does not
    on_axes = axes.transAxes.inverted().transform(axes.transData.transform(points))
    lengths = np.linalg.norm(on_axes[:, None] - places[None], axis=2)
    _, chosen = linear_sum_assignment(lengths)
    for label, point, place in zip(rows["label"], points, places[chosen], strict=True):
        axes.annotate(
            label, point, place,
            textcoords="axes fraction", va="center", fontsize=9, annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": "0.7", "linewidth": 0.6, "shrinkB": 4,
                        "relpos": (0, 0.5)},
        )  # fmt: skip
