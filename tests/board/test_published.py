"""Published numbers are shown beside numbers measured on the same images, and no others."""

import json
import math

import pandas as pd
import pytest
import yaml

from benchmark.board.aggregate import COLUMNS
from benchmark.board.published import Part, beside, of_run
from benchmark.board.published_markdown import to_markdown
from benchmark.board.published_numbers import FILE, Published, load
from benchmark.core.errors import UserError
from benchmark.data.cards import load_card
from benchmark.spec.registry import available

LINE = {"method": "Input", "entry": "identity", "sources": ["a"], "psnr": 26.9, "ssim": 0.8384}
OTHER = {"method": "Other", "sources": ["a", "b"], "psnr": 30.0}
TABLE = {"dataset": "rain100l", "split": "test", "protocol": "restormer", "rows": [LINE, OTHER]}
VALUES = {"sources": {"a": "Paper A", "b": "Paper B", "c": "not used"}, "tables": [TABLE]}
CARDS = [{"method": "identity", "variant": "default", "file": "methods/identity.py"}]
RAIN = {"rain": Part("rain100l", "test")}


def board(**values):
    row = {"dataset": "rain", "weather": "all", "method": "identity", "variant": "default"}
    return pd.DataFrame([row | values], columns=list(COLUMNS))


def write(path, **changes):
    path.write_text(yaml.safe_dump(VALUES | changes))
    return path


def test_the_bundled_numbers_are_on_known_splits_and_methods():
    for table in load().tables:
        card = load_card(table.dataset)
        assert table.split in card.splits and table.weather in {"all", *card.weathers}
        assert {row.entry for row in table.rows} <= {None, *available()}


def test_sources_that_disagree_are_both_listed():
    [table] = [
        table
        for table in load().tables
        if (table.dataset, table.protocol) == ("raindrop", "weatherdiffusion")
    ]
    rows = [row for row in table.rows if row.method == "WeatherDiff64"]
    assert [(row.psnr, row.sources) for row in rows] == [
        (30.71, ("t3", "modem", "survey")),
        (29.64, ("gridformer",)),
    ]


def test_measured_numbers_stand_beside_published_ones():
    own = board(**{"restormer/psnr": 26.91, "restormer/ssim": 0.8383, "rgb/psnr": 25.5})
    found = beside(Published(**VALUES), own, RAIN, CARDS).set_index(["method", "metric"])
    assert found.loc[("Input", "psnr"), ["published", "measured"]].tolist() == [26.9, 26.91]
    assert found.loc[("Input", "ssim"), "difference"] == pytest.approx(-0.0001)
    assert math.isnan(found.loc[("Other", "psnr"), "measured"])
    assert found.loc[("Other", "psnr"), "reason"] == "not in the run"
    text = to_markdown(found.reset_index(), Published(**VALUES))
    assert "| Input | PSNR | 26.90 | 26.91 (identity default) | +0.01 | a |" in text
    assert "| Other | PSNR | 30.00 | – (not in the run) | – | a b |" in text
    assert "Paper B" in text and "not used" not in text


def test_a_published_checkpoint_stands_beside_the_entries_that_use_its_file():
    line = {"method": "PReNet", "sources": ["a"], "weights": "abc", "psnr": 37.48}
    cards = [
        CARDS[0] | {"method": "authors", "weights": {"file": "x.pth", "sha256": "abc"}},
        CARDS[0] | {"method": "trained", "weights": None},
    ]
    own = pd.concat(
        [board(method=name, **{"restormer/psnr": 37.5}) for name in ("authors", "trained")]
    )
    values = Published(**VALUES | {"tables": [TABLE | {"rows": [line]}]})
    [row] = beside(values, own, RAIN, cards).itertuples()
    assert (row.entry, row.measured) == ("authors default", 37.5)


def test_numbers_of_one_weather_are_compared_with_that_weather_alone():
    table = TABLE | {"weather": "rain", "rows": [LINE]}
    values = Published(**VALUES | {"tables": [table]})
    own = pd.concat([
        board(**{"restormer/psnr": 1.0}), board(weather="rain", **{"restormer/psnr": 2.0})
    ])  # fmt: skip
    for weathers, measured in ((None, 2.0), (("rain",), 2.0), (("snow",), None)):
        part = Part("rain100l", "test", weathers=weathers)
        found = beside(values, own, {"rain": part}, CARDS)
        assert found.measured[0] == measured or found.reason[0].startswith(
            "the run has only a part"
        )
    assert "### rain100l test, rain: restormer" in to_markdown(found, values)


def test_sources_that_disagree_and_notes_are_marked():
    rows = [LINE, LINE | {"psnr": 27.0, "sources": ["b"], "note": "copied"}]
    values = Published(**VALUES | {"tables": [TABLE | {"rows": rows, "note": "Not stated."}]})
    text = to_markdown(beside(values, board(), RAIN, CARDS), values)
    assert "| Input | PSNR | 26.90 ≠ |" in text and "| Input | SSIM | 0.8384 |" in text
    assert "Not stated." in text and "- Input (b): copied" in text


@pytest.mark.parametrize(
    ("values", "part", "reason"),
    [
        ({"y-matlab/psnr": 26.9}, Part("rain100l", "test"), "no restormer/psnr of all images"),
        ({"restormer/psnr": 26.9}, Part("rain100l", "test", whole=False), "only a part"),
    ],
)
def test_what_was_not_measured_has_a_reason(values, part, reason):
    found = beside(Published(**VALUES), board(**values), {"rain": part}, CARDS)
    assert math.isnan(found.measured[0]) and reason in found.reason[0]


@pytest.mark.parametrize("part", [Part("rain100h", "test"), Part("rain100l", "train")])
def test_other_images_are_not_compared(part):
    found = beside(Published(**VALUES), board(**{"restormer/psnr": 1.0}), {"rain": part}, CARDS)
    assert found.empty and to_markdown(found, Published(**VALUES)) == ""


def test_the_manifest_says_what_the_data_sets_are(tmp_path):
    assert of_run(tmp_path, board(), CARDS)[0].empty
    choices = {"rain": {"card": "rain100l", "split": "test"}}
    choices["few"] = {"card": "rain100l", "split": "test", "limit": 3}
    (tmp_path / "manifest.json").write_text(json.dumps({"config": {"datasets": choices}}))
    own = board(**{"y-matlab/psnr": 26.9})
    table, text = of_run(tmp_path, own, CARDS)
    line = table[(table.method == "input") & (table.metric == "psnr")]
    assert list(line.measured.isna()) == [False, True] and "26.90" in text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tables": [TABLE | {"protocol": "restorer"}]}, "Did you mean 'restormer'"),
        ({"tables": [TABLE | {"protocol": "lpips-alex"}]}, "'lpips-alex' has no metric 'psnr'"),
        ({"sources": {"a": "Paper A"}}, "Other: no source 'b'"),
        ({"tables": [TABLE | {"rows": [{"method": "X", "sources": []}]}]}, "X has no number"),
        ({"tables": [TABLE | {"rows": [LINE | {"psnr": "high"}]}]}, r"tables\.0\.rows\.0\.psnr"),
    ],
)
def test_a_fault_in_the_file_is_named(tmp_path, changes, message):
    path = write(tmp_path / "published.yaml", **changes)
    with pytest.raises(UserError, match=rf"published\.yaml.*{message}"):
        load(path)


@pytest.mark.parametrize("text", ["a: [", "[" * 1000, 'a: "\\ud800"'])
def test_a_file_that_is_no_yaml_is_named(tmp_path, text):
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(UserError, match=r"x\.yaml is not valid YAML"):
        load(tmp_path / "x.yaml")
    assert FILE.is_file()


def test_numbers_of_a_weight_file_stand_beside_the_entry_that_used_it():
    lines = [{**OTHER, "weights": "abc"}, {**OTHER, "weights": "def", "method": "Third"}]
    values = Published(**VALUES | {"tables": [TABLE | {"rows": lines}]})
    cards = [
        CARDS[0] | {"weights": {"sha256": "abc"}},
        {"method": "mine", "variant": "default", "file": "methods/x.py", "weights": None},
        {"method": "net", "variant": "default", "file": "x.py", "facts": {"sha256": "def"}},
    ]
    own = pd.concat([
        board(**{"restormer/psnr": 30.5}),
        board(**{"restormer/psnr": 31.0, "method": "net"}),
    ])  # fmt: skip
    found = beside(values, own, RAIN, cards).set_index("method")
    assert found.loc["Other", ["entry", "measured"]].tolist() == ["identity default", 30.5]
    assert found.loc["Third", ["entry", "measured"]].tolist() == ["net default", 31.0]


def test_numbers_on_cards_of_weights_are_among_the_published():
    rows = {
        row.method: row
        for table in load().tables
        for row in table.rows
        if (table.dataset, table.protocol) == ("rain100l", "prenet")
    }
    assert (rows["PRN_r"].psnr, rows["PRN_r"].ssim) == (36.11, 0.973)
    assert load().sources["weights/prenet"] == "csdwren/PReNet, README.md"
