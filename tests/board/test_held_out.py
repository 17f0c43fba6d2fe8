"""The kept scores on sets that were not trained on."""

import pandas as pd
import pytest

from benchmark.board.aggregate import COLUMNS
from benchmark.board.held_out import COLUMNS as KEPT
from benchmark.board.held_out import TABLE, held_out, read_held_out
from benchmark.core.errors import UserError
from benchmark.core.paths import ROOT
from benchmark.results.tables import read_table
from tests.shipped_weights import assert_made_with_shipped_weights

WEIGHTS = {"net": "abc", "filter": ""}


@pytest.fixture
def folder(tmp_path):
    rows = []
    for method, psnr in (("net", 30.123456), ("filter", float("nan"))):
        for weather in ("all", "rain"):
            rows.append(
                dict.fromkeys(COLUMNS, "")
                | {"dataset": "real", "weather": weather, "method": method, "variant": "default",
                   "status": "ok" if psnr == psnr else "skipped", "rgb/psnr": psnr,
                   "lpips-alex/lpips": 0.1}
            )  # fmt: skip
    held_out(pd.DataFrame(rows, columns=COLUMNS), WEIGHTS).to_csv(tmp_path / TABLE, index=False)
    return tmp_path


def test_the_table_is_read_as_rows_of_a_leaderboard(folder):
    table = read_held_out(folder, WEIGHTS).set_index("method")
    assert table.loc["net", "rgb/psnr"] == 30.1235
    assert table.loc["filter", ["status", "weather"]].tolist() == ["skipped", "rain"]
    assert table[["rgb/psnr", "seconds_per_megapixel"]].isna().sum().tolist() == [1, 2]
    assert len(read_held_out(folder / "nowhere", WEIGHTS)) == 0


def test_scores_of_other_weights_are_left_out(folder):
    assert len(read_held_out(folder, WEIGHTS | {"net": "other"})) == 0
    assert len(read_held_out(folder, {"net": "", "new": "x"})) == 2  # missing, unknown


def test_a_malformed_table_is_named(folder):
    text = (folder / TABLE).read_text()
    (folder / TABLE).write_text(text.replace("30.1235", "many"))
    with pytest.raises(
        UserError, match=r"held_out\.csv, line \d+: .* not a number; .*held-out-table"
    ):
        read_held_out(folder, WEIGHTS)


def test_the_committed_table_is_of_the_weights_that_come_with_the_data():
    """If this fails, make the table again, as config/held_out.yaml says."""
    table = read_table(ROOT / "results/reference" / TABLE, KEPT, "")
    assert_made_with_shipped_weights(table)
