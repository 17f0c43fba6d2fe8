"""A run's scores on data sets that its methods were not trained on, as a small table to keep."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from benchmark.board.recommend import RANKED_BY
from benchmark.board.score_table import ALL
from benchmark.results.schema import GROUP
from benchmark.results.tables import read_table

TABLE = "held_out.csv"
COLUMNS = (*GROUP, "status", "weights", *RANKED_BY)
AGAIN = "make it again with 'python -m benchmark held-out-table'"


def held_out(board: pd.DataFrame, weights: Mapping[str, str]) -> pd.DataFrame:
    """The rows to keep of a leaderboard, columns COLUMNS: one for each data set and weather.

    weights: the checksum of each entry's weights, empty for a method that does not learn.
    """
    rows = board[board["weather"] != ALL]
    rows = rows.assign(weights=rows["method"].map(weights))
    return rows[list(COLUMNS)].round(dict.fromkeys(RANKED_BY, 4))


def read_held_out(folder: Path, weights: Mapping[str, str]) -> pd.DataFrame:
    """`TABLE` in a folder, as rows of a leaderboard; empty if there is none.

    weights: as above. The table is left out if an entry has other weights now: then it says nothing
    about this entry, and a comparison with the others would not be fair. Raises UserError if the
    table is malformed.
    """
    path = folder / TABLE
    if not path.is_file():
        return pd.DataFrame(columns=COLUMNS)
    table = read_table(path, COLUMNS, AGAIN, RANKED_BY)
    known = table["method"].map(weights).fillna("")
    if ((known != "") & (known != table["weights"])).any():
        return table.iloc[:0]
    return table.assign(seconds_per_megapixel=float("nan"))
