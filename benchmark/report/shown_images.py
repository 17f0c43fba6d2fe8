"""Which test images have a page: all of a small set; of a large one some that nobody chose.

A page for each of the 16,801 images of Snow100K-L would make a report that no browser opens.
"""

import numpy as np
import pandas as pd

from benchmark.core.seeds import numpy_generator
from benchmark.report.run_data import RunData
from benchmark.results.schema import IMAGE

EXTREMES = 6  # images with the smallest and with the largest gain that a page shows
RANDOM = 200  # images of a large set, besides the extreme ones
ALL_SHOWN = 2 * RANDOM  # images of a set up to which all have a page


def shown_images(data: RunData) -> pd.DataFrame:
    """The rows of images.csv that have a page, in their order.

    Of a set of more than `ALL_SHOWN` images: those with the `EXTREMES` smallest and largest gains
    of the set's first method, and of the variant that each method's page shows; and `RANDOM` drawn
    ones, the same in each report.
    """
    assert data.images is not None
    sizes = data.images["dataset"].value_counts()
    large = set(sizes[sizes > ALL_SHOWN].index)
    if not large:
        return data.images
    kept = set()
    for key in dict.fromkeys([*map(data.leader, large), *map(data.chosen, data.method_names)]):
        gains = data.gains(key)
        if len(gains):
            of_set = gains.index.get_level_values("dataset")
            for part in (gains, *(gains[of_set == name] for name in large)):
                kept |= _extremes(part)
    for name in large:
        places = data.images.loc[data.images["dataset"] == name, IMAGE]
        drawn = numpy_generator("report", name).choice(len(places), RANDOM, replace=False)
        kept |= set(places.iloc[drawn].itertuples(index=False, name=None))
    at = pd.MultiIndex.from_frame(data.images[IMAGE])
    is_shown = at.isin(list(kept)) | ~data.images["dataset"].isin(large)
    return data.images[np.asarray(is_shown)]


def _extremes(gains: pd.Series) -> set[tuple[str, str, str]]:
    """The places with the smallest and the largest gains; of equal gains as `photos.by_gain`."""
    ordered = gains.sort_index().sort_values(kind="stable")
    return {*ordered.index[:EXTREMES], *ordered.index[-EXTREMES:]}
