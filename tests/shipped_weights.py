"""The weights that come with the data, against the tables that were made with them."""

import pandas as pd

from benchmark.core.checksum import checksum
from benchmark.core.paths import ROOT


def assert_made_with_shipped_weights(table: pd.DataFrame) -> None:
    """Each learned method of a table (columns method, weights) has the checksum of its file."""
    learned = table[table["weights"] != ""].drop_duplicates("method")
    assert len(learned) > 5
    for method, weights in zip(learned["method"], learned["weights"], strict=True):
        assert weights == checksum(ROOT / f"data/weights/reference/{method}-0.safetensors")
