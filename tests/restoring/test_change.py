"""How much a restoration changed a photo, and the sentences about it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmark.core.errors import UserError
from benchmark.core.image_io import write_png
from benchmark.core.paths import ROOT
from benchmark.restoring.change import (
    COLUMNS,
    TABLE,
    Usual,
    blend,
    change,
    usual,
    usual_changes,
)
from benchmark.results.tables import read_table
from tests.shipped_weights import assert_made_with_shipped_weights

RNG = np.random.default_rng(17)
BEFORE, AFTER = RNG.integers(0, 256, (2, 9, 7, 3), dtype=np.uint8)


def test_change_is_the_root_mean_square_difference():
    wanted = np.sqrt(np.mean((BEFORE.astype(float) - AFTER) ** 2))
    assert change(BEFORE, AFTER) == pytest.approx(wanted, rel=1e-9)
    assert change(BEFORE, BEFORE) == 0


@pytest.mark.parametrize("strength", [0, 0.25, 0.5, 1])
def test_strength_blends(strength):
    wanted = BEFORE + strength * (AFTER.astype(float) - BEFORE)
    assert np.abs(blend(BEFORE, AFTER, strength) - wanted).max() <= 0.5 + 1e-3


def test_the_verdict_names_what_is_outside():
    usually = Usual(2.0, 20.0, 60)
    assert usually.verdict(2.0) == usually.verdict(20.0) == ""
    much, little = usually.verdict(20.1), usually.verdict(1.9)
    measured = "nearly all of 60 test pictures in simulated weather (1st to 99th percentile: 2.00"
    assert f"changed by 20.10 levels, more than {measured}" in much
    assert f"changed by 1.90 levels, less than {measured}" in little


def rows(folder, levels, weather, method="m", status="ok"):
    """Pictures of level 100 that became lighter by these levels."""
    found = []
    for i, level in enumerate(levels):
        file = folder / method / weather / f"{i}.png"
        write_png(file, np.full((2, 3, 3), 100 + level, np.uint8))
        write_png(folder / "in.png", np.full((2, 3, 3), 100, np.uint8))
        found.append({"method": method, "variant": "default", "weights": "", "weather": weather,
                      "status": status, "input": folder / "in.png", "file": file})  # fmt: skip
    return found


def test_the_table_has_percentiles_of_each_weather_and_of_all(tmp_path):
    table = pd.DataFrame(
        rows(tmp_path, range(1, 101), "rain")
        + rows(tmp_path, [7], "haze")
        + rows(tmp_path, [90], "clear")
        + rows(tmp_path, [90], "snow", status="failed")
    )
    usual_changes(table).to_csv(tmp_path / TABLE, index=False)
    rain = usual(tmp_path, "m", "default", "", "rain")
    assert (rain.low, rain.high, rain.images) == pytest.approx((1.99, 99.01, 100))
    assert usual(tmp_path, "m", "default", "", "haze") == Usual(7, 7, 1)
    assert usual(tmp_path, "m", "default", "", "all").images == 101
    for key in (("m", "other", "", "rain"), ("m", "default", "abc", "rain"),
                ("m", "default", "", "snow")):  # fmt: skip
        assert usual(tmp_path, *key) is None
    assert usual(Path("nowhere"), "m", "default", "", "rain") is None


def test_a_malformed_table_is_named(tmp_path):
    (tmp_path / TABLE).write_text("method,low\n")
    with pytest.raises(UserError, match=r"change\.csv has the columns.*change-table"):
        usual(tmp_path, "m", "default", "", "rain")
    text = "method,variant,weights,weather,images,low,high\nm,default,,rain,x,1,2\n"
    (tmp_path / TABLE).write_text(text)
    with pytest.raises(UserError, match=r"change\.csv is not a table of numbers"):
        usual(tmp_path, "m", "default", "", "rain")


def test_the_committed_table_is_of_the_weights_that_come_with_the_data():
    """If this fails, make the table again: docs/own-photos.md."""
    table = read_table(ROOT / "results/reference" / TABLE, COLUMNS, "")
    assert_made_with_shipped_weights(table)
