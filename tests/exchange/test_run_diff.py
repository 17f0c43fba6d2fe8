"""Comparing two runs: differences by hand; images and methods that only one run has."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.core.errors import UserError
from benchmark.exchange.run_diff import COLUMNS, compare, differing
from benchmark.exchange.run_diff_markdown import to_markdown
from tests.synthetic_run import add_clear_set, make_run


@pytest.fixture
def runs(tmp_path):
    """Two equal runs a, b."""
    folders = [tmp_path / "results" / name for name in "ab"]
    for folder in folders:
        make_run(folder, photos=6, weathers=("rain", "haze"), side=8)
    return folders


def change(run, edit, name="scores.csv"):
    table = pd.read_csv(run / name, dtype=str, keep_default_na=False)
    table["value"] = pd.to_numeric(table["value"], errors="coerce") if "value" in table else None
    edited = edit(table)
    edited.drop(columns=[] if "value" in pd.read_csv(run / name) else "value").to_csv(
        run / name, index=False
    )


def test_a_run_equals_itself(runs):
    found = compare(*runs)
    assert tuple(found.table.columns) == COLUMNS
    assert (found.table["equal_images"] == found.table["n_images"]).all()
    assert (found.table["difference"] == 0).all()  # also for the oracle's infinite PSNR
    assert (found.manifest, found.methods, found.only_a, found.only_b) == ([], [], [], [])
    text = to_markdown(found)
    assert "No difference." in text and "not told apart" not in text and "better" not in text


def test_a_changed_method_is_found_and_only_that(runs):
    noise = np.random.default_rng(0)

    def better(table):
        rows = (table["method"] == "regression") & (table["metric"] == "psnr")
        table.loc[rows, "value"] += 1 + 0.1 * noise.normal(size=rows.sum())
        return table

    change(runs[1], better)
    table = compare(*runs).table
    moved = table[table["equal_images"] < table["n_images"]]
    assert set(moved["method"]) == {"regression"}
    assert set(moved["metric"]) == {"rgb/psnr", "y-matlab/psnr"}
    assert (moved["p_holm"] < 0.05).all() and (moved["p_holm"] >= moved["p"]).all()
    row = moved[(moved["weather"] == "rain") & (moved["metric"] == "rgb/psnr")].iloc[0]
    values = [pd.read_csv(run / "scores.csv") for run in runs]
    a, b = (
        v.query("method == 'regression' and weather == 'rain' and protocol == 'rgb'")
        .query("metric == 'psnr'")["value"]
        .to_numpy()
        for v in values
    )
    assert row["difference"] == pytest.approx((b - a).mean())
    assert row["p"] == pytest.approx(stats.ttest_rel(b, a).pvalue)
    assert row["difference_low"] < row["difference"] < row["difference_high"]
    assert "| better |" in to_markdown(compare(*runs))
    assert "| worse |" in to_markdown(compare(*runs[::-1]))


def with_seeds(run, gains, method="regression"):
    """Add seeds to a method of a run: {seed: its gain in every score}; "0" is there already."""

    def more(table):
        rows = table[table["method"] == method]
        seeds = [rows.assign(seed=s, value=rows["value"] + g) for s, g in gains.items()]
        return pd.concat([table, *seeds])

    change(run, more)


def rows_of_regression(runs):
    table = compare(*runs).table
    return table[(table["method"] == "regression") & (table["metric"] == "rgb/psnr")]


def test_a_run_with_seeds_that_differ_equals_itself(runs):
    for run in runs:
        with_seeds(run, {"1": 2.0, "2": -3.0})
    rows = rows_of_regression(runs)
    assert (rows["n_seeds_a"] == 3).all() and (rows["equal_images"] == rows["n_images"]).all()
    assert (rows[["difference", "difference_low", "difference_high"]] == 0).all(axis=None)


def test_equal_seeds_are_paired_and_others_are_not(runs):
    """Seeds differ by 5 dB, but each gains 1 dB, give or take 0.1, in the second run."""
    with_seeds(runs[0], {"1": 5.0, "2": 10.0})
    with_seeds(runs[1], {"1": 6.1, "2": 10.9})
    change(runs[1], lambda table: table.assign(
        value=table["value"] + ((table["method"] == "regression") & (table["seed"] == "0"))
    ))  # fmt: skip
    row = rows_of_regression(runs).iloc[0]
    assert row["difference"] == pytest.approx(1)
    assert row["p"] == pytest.approx(stats.ttest_1samp([1.0, 1.1, 0.9], 0).pvalue)
    assert 0.5 < row["difference_low"] < 1 < row["difference_high"] < 1.5
    change(runs[1], lambda table: table.assign(seed=table["seed"].replace("2", "7")))
    apart = rows_of_regression(runs).iloc[0]
    assert apart["difference_low"] < -5 and apart["p"] > 0.5 > row["p"]


def test_only_common_images_of_the_same_content_are_compared(runs):
    change(runs[1], lambda table: table[table["image"] != "photo00"])

    def repainted(table):
        table.loc[table["image"] == "photo01", "input_sha256"] = "f" * 64
        return table

    change(runs[1], repainted, "images.csv")
    found = compare(*runs)
    assert (found.images_a, found.images_b, found.changed, found.common) == (12, 10, 2, 8)
    assert set(found.table["n_images"]) == {4, 8}
    text = to_markdown(found)
    assert "the 8 images that both have (A has 12, B 10)" in text
    assert "2 images of the same name have different content" in text


def test_data_sets_are_matched_by_name(runs):
    """Without images.csv they come in the order of each scores.csv."""
    for run in runs:
        add_clear_set(run)
        (run / "images.csv").unlink()
    change(runs[1], lambda table: table.sort_values("dataset", kind="stable"))
    assert pd.read_csv(runs[1] / "scores.csv")["dataset"].iloc[0] == "clear"
    table = compare(*runs).table
    assert list(table["dataset"].unique()) == ["test-set", "clear"]
    assert (table["equal_images"] == table["n_images"]).all()


def test_a_score_that_is_infinite_in_one_run_has_no_difference(runs):
    def perfect(table):
        place = (table["weather"] == "rain") & (table["image"] == "photo00")
        rows = place & (table["method"] == "regression") & (table["metric"] == "psnr")
        table.loc[rows, "value"] = np.inf
        return table

    change(runs[1], perfect)
    found = compare(*runs)
    row = found.table.query("method == 'regression' and metric == 'rgb/psnr'").iloc[0]
    assert np.isfinite(row["a"]) and row["b"] == np.inf
    assert row[["difference", "difference_low", "difference_high", "p"]].isna().all()
    assert row["equal_images"] == row["n_images"] - 1
    assert "[+inf" not in to_markdown(found)


def test_differences_of_manifests_and_settings(runs):
    manifest = json.loads((runs[1] / "manifest.json").read_text())
    manifest["commit"], manifest["config"]["seeds"] = "4567def", [0, 1]
    (runs[1] / "manifest.json").write_text(json.dumps(manifest))
    cards = json.loads((runs[1] / "methods.json").read_text())
    next(card for card in cards if card["method"] == "regression")["parameters"]["width"] = 64
    cards = [card for card in cards if card["method"] != "median"]
    (runs[1] / "methods.json").write_text(json.dumps(cards))
    change(runs[1], lambda table: table[table["method"] != "median"])
    found = compare(*runs)
    assert ("commit", "0123abc", "4567def") in found.manifest
    assert ("config.seeds", [0], [0, 1]) in found.manifest
    assert found.methods == [("regression default: parameters.width", 48, 64)]
    assert found.only_a == [("median", "default")]
    assert "Only in A: median." in to_markdown(found)
    (runs[1] / "manifest.json").unlink()
    assert "No manifest.json in" in to_markdown(compare(*runs))


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ({"training": [2], "test pairs": [1]}, None, "training pairs .*: 2 and 1"),
        ({"training": [1, 2]}, {"training": [2]}, "training pairs .*: 1 with 2 and 2"),
        ({"test pairs": [2]}, {"test pairs": [1]}, "test pairs .*: 2 and 1"),
        ({"training": "x"}, {}, "manifest.json: simulation: training"),
    ],
)
def test_other_versions_of_the_simulated_weather_are_refused(runs, a, b, message):
    write_versions(runs, a, b)
    with pytest.raises(UserError, match=message):
        compare(*runs)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (None, None),  # both older than the record
        ({"training": [1], "test pairs": [1]}, None),
        ({"training": [2], "test pairs": [1]}, {"training": [], "test pairs": [1]}),
        ({"training": [2]}, {"training": [2], "test pairs": [1]}),
    ],
)
def test_runs_without_learned_methods_or_simulated_pairs_go_with_others(runs, a, b):
    write_versions(runs, a, b)
    compare(*runs)


def write_versions(runs, *versions):
    for run, known in zip(runs, versions, strict=True):
        manifest = json.loads((run / "manifest.json").read_text())
        manifest |= {} if known is None else {"simulation": known}
        (run / "manifest.json").write_text(json.dumps(manifest))


def test_differing_by_hand():
    a = {"x": {"y": 1, "z": 2}, "same": 3, "run": "a"}
    b = {"x": {"y": 1, "z": 4}, "same": 3, "run": "b", "new": 5}
    assert differing(a, b) == [("x.z", 2, 4), ("new", None, 5)]


def test_nothing_in_common_is_an_error_that_names_both(runs):
    change(runs[1], lambda table: table.assign(image="other-" + table["image"]))
    with pytest.raises(UserError, match=r"a and .*b have no image in common"):
        compare(*runs)
    with pytest.raises(UserError, match=r"methods.json is missing"):
        compare(runs[0], runs[1] / "none")


def test_the_verb_prints_markdown_and_writes_a_table(runs, tmp_path):
    out = tmp_path / "out" / "differences.csv"
    done = CliRunner().invoke(app, ["compare", *map(str, runs), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert done.output.startswith("# Run A ") and "PSNR RGB ↑" in done.output
    assert tuple(pd.read_csv(out).columns) == COLUMNS
