"""Exported results are valid in the schemas' own validators, and hold what the board shows."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pandas as pd
import pytest
import yaml

from benchmark.board.write import write_leaderboard
from benchmark.core.errors import UserError
from benchmark.exchange.export import FORMATS, export, read
from tests.synthetic_run import make_run

ORIGIN = {"title": "A set", "source": "https://example.org/set", "licence": "CC0", "citation": "C"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """An invented run of two weathers with a board; the first method has an infinite score."""
    folder = tmp_path_factory.mktemp("export") / "results" / "made-up"
    make_run(folder, photos=2, weathers=("rain", "haze"), side=16)
    scores = pd.read_csv(folder / "scores.csv", dtype=str, keep_default_na=False)
    first = (scores.method == "identity") & (scores.protocol == "rgb") & (scores.metric == "psnr")
    scores.loc[first, "value"] = "inf"
    scores.to_csv(folder / "scores.csv", index=False)
    manifest = json.loads((folder / "manifest.json").read_text()) | {
        "run": "made-up",
        "finished": "2026-11-29T10:00:00+00:00",
        "datasets": {"test-set": ORIGIN},
    }
    manifest["config"]["datasets"] = {"test-set": {"split": "test"}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    write_leaderboard(folder)
    return folder


def test_infinite_results_are_left_out_and_named(run):
    content, left_out = read(run)
    assert [line for line in left_out if "oracle" not in line] == [
        f"test-set test{part}: rgb/psnr of identity is infinite: left out"
        for part in ("", ", rain", ", haze")
    ]
    keys = {(r.method["method"], r.weather, r.metric.key) for r in content.results}
    assert ("identity", "", "rgb/psnr") not in keys and ("identity", "", "rgb/ssim") in keys


def test_a_record_has_the_boards_number_with_its_interval(run, tmp_path):
    files = export(run, "every-eval-ever", tmp_path / "out").files
    assert len(files) == len(json.loads((run / "methods.json").read_text()))
    [file] = (tmp_path / "out/data/unweather/unweather/median-default").iterdir()
    assert UUID(file.stem).version == 4
    record = json.loads(file.read_text())
    assert record["model_info"]["id"] == "unweather/median-default"  # the folders in the data store
    [result] = [
        r for r in record["evaluation_results"] if r["evaluation_name"] == "test-set test: rgb/psnr"
    ]
    board = pd.read_csv(run / "leaderboard.csv")
    row = board[(board.weather == "all") & (board.method == "median")].iloc[0]
    assert result["score_details"]["score"] == pytest.approx(row["rgb/psnr"])
    interval = result["score_details"]["uncertainty"]["confidence_interval"]
    assert interval["lower"] == pytest.approx(row["rgb/psnr_low"])
    assert result["metric_config"]["max_score"] == "Infinity"
    assert result["source_data"]["url"] == [ORIGIN["source"]]


def test_the_same_run_gives_the_same_files(run, tmp_path):
    first, second = (
        [
            p.relative_to(tmp_path / name)
            for p in export(run, "every-eval-ever", tmp_path / name).files
        ]
        for name in "ab"
    )
    assert first == second


def test_records_pass_their_own_validator(run, tmp_path):
    pytest.importorskip(
        "every_eval_ever", reason="every-eval-ever is not installed; it needs Python 3.12"
    )
    files = export(run, "every-eval-ever", tmp_path / "out").files
    names = [str(path.relative_to(tmp_path / "out")) for path in files]
    command = [sys.executable, "-m", "every_eval_ever", "validate", *names]
    done = subprocess.run(command, cwd=tmp_path / "out", capture_output=True, text=True)
    assert done.returncode == 0 and "0 warning" in done.stdout, done.stdout + done.stderr


def test_model_cards_are_read_back_by_the_hubs_library(run, tmp_path):
    hub = pytest.importorskip("huggingface_hub")
    export(run, "model-index", tmp_path / "out")
    card = hub.ModelCard.load(tmp_path / "out" / "median-default.md")
    found = {(r.dataset_config, r.metric_type): r.metric_value for r in card.data.eval_results}
    text = (tmp_path / "out" / "median-default.md").read_text().split("---\n")[1]
    [written] = yaml.safe_load(text)["model-index"]
    assert {config for config, _ in found} == {"all", "rain", "haze"}
    assert len(found) == sum(len(result["metrics"]) for result in written["results"])
    rows = pd.read_csv(run / "leaderboard.csv").set_index(["weather", "method"])
    assert found["rain", "rgb/psnr"] == pytest.approx(rows.loc[("rain", "median"), "rgb/psnr"])


def test_croissant_is_valid_and_reads_the_tables(run, tmp_path):
    mlcroissant = pytest.importorskip(
        "mlcroissant", reason="mlcroissant is not installed: make setup GROUPS=references"
    )
    export(run, "croissant", tmp_path / "out")
    data = mlcroissant.Dataset(tmp_path / "out" / "croissant.json")
    assert not data.metadata.ctx.issues.errors
    scores = pd.read_csv(run / "scores.csv", keep_default_na=False)
    records = list(data.records("scores"))
    assert len(records) == len(scores)
    assert records[-1]["scores/value"] == pytest.approx(float(scores.value.iloc[-1]))


def test_croissant_describes_every_column(run, tmp_path):
    export(run, "croissant", tmp_path / "out")
    described = json.loads((tmp_path / "out" / "croissant.json").read_text())
    for records in described["recordSet"]:
        columns = [field["source"]["extract"]["column"] for field in records["field"]]
        assert columns == list(pd.read_csv(tmp_path / "out" / f"{records['name']}.csv").columns)


def content(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_empty_folder_and_an_earlier_export_of_any_format_are_replaced(run, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    for form in (*FORMATS, *FORMATS):
        files = export(run, form, out).files
        assert files == sorted(FORMATS[form].written(out)) and files


@pytest.mark.parametrize("form", FORMATS)
def test_a_folder_with_other_files_is_never_replaced(run, tmp_path, monkeypatch, form):
    mine, mixed, tables = (tmp_path / name for name in ("results/mine", "mixed", "tables"))
    shutil.copytree(run, mine)
    export(mine, form, mixed)
    (mixed / "README.md").write_text("What I think of these results")
    tables.mkdir()
    shutil.copy(mine / "scores.csv", tables)
    monkeypatch.chdir(mine)
    before = content(tmp_path)
    for out in (mine, mine.parent, mine / "scores.csv", mixed, tables, Path(".")):
        with pytest.raises(UserError, match="neither an empty folder nor an earlier export"):
            export(mine, form, out)
    assert content(tmp_path) == before


def test_the_usual_place_is_always_replaced(run, tmp_path):
    mine = tmp_path / "results" / "mine"
    shutil.copytree(run, mine)
    usual = mine / "export" / "croissant"
    for out in (None, usual):
        usual.mkdir(parents=True, exist_ok=True)
        (usual / "old.txt").touch()
        names = {path.name for path in export(mine, "croissant", out).files}
        assert names == {"croissant.json", "scores.csv", "cost.csv"}


def test_what_cannot_be_exported_is_named(run, tmp_path):
    with pytest.raises(UserError, match=r"'croisant'.*Did you mean 'croissant'"):
        export(run, "croisant", tmp_path)
    with pytest.raises(UserError, match=r"manifest\.json is missing"):
        export(tmp_path, next(iter(FORMATS)))
    (tmp_path / "manifest.json").write_text('{"datasets": []}')
    with pytest.raises(UserError, match=r"manifest\.json is not a run's manifest"):
        export(tmp_path, next(iter(FORMATS)))
