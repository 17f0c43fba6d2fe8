"""Runs of two machines on one board: what is joined, what is refused and by which name."""

import json
import os

import pandas as pd
import pytest
from typer.testing import CliRunner

from benchmark.board.pairs import write_comparisons
from benchmark.board.score_table import ALL
from benchmark.board.write import read_leaderboard, write_leaderboard
from benchmark.cli.app import app
from benchmark.core.errors import UserError
from benchmark.exchange.merge import merge_runs
from benchmark.report import build_report
from tests.synthetic_run import card, make_run

CONTROLS = [card("identity", control=True), card("oracle", control=True, sees_target=True)]


def edit(run, name, change):
    table = pd.read_csv(run / name, dtype=str, keep_default_na=False)
    change(table).to_csv(run / name, index=False)


@pytest.fixture
def runs(tmp_path):
    """Two runs with the same controls and another method each, on two devices."""
    folders = []
    for name, method in (("cpu", "a"), ("gpu", "b")):
        run = tmp_path / "results" / name
        make_run(run, 3, ("rain", "haze"), [*CONTROLS, card(method, gain=2.0)], side=12)
        edit(run, "cost.csv", lambda t, name=name: t.assign(device=f"{name}: made up"))
        folders.append(run)
    controls = pd.read_csv(folders[0] / "scores.csv", dtype=str, keep_default_na=False)
    controls = controls[controls["method"].isin(["identity", "oracle"])]
    edit(
        folders[1],
        "scores.csv",
        lambda t: pd.concat([controls, t[~t["method"].isin(["identity", "oracle"])]]),
    )
    return folders


def test_methods_of_both_are_on_one_board_with_their_devices(runs, tmp_path):
    out = tmp_path / "results" / "both"
    done = CliRunner().invoke(app, ["merge", *map(str, runs), "--out", str(out)])
    assert done.exit_code == 0, done.output
    board = read_leaderboard(out)
    rows = board[board["weather"] == ALL].set_index("method")
    assert set(rows.index) == {"a", "b", "identity", "oracle"}
    assert rows.loc["a", "device"] == "cpu: made up" and rows.loc["b", "device"] == "gpu: made up"
    for run, method in zip(runs, "ab", strict=True):
        alone = write_leaderboard(run).query("weather == 'all' and method == @method").iloc[0]
        assert rows.loc[method, "rgb/psnr"] == pytest.approx(alone["rgb/psnr"])
    text = (out / "leaderboard.md").read_text()
    assert "1: cpu: made up; 2: gpu: made up" in text
    manifest = json.loads((out / "manifest.json").read_text())
    assert [part["from"] for part in manifest["merged"]] == list(map(str, runs))


def test_later_verbs_work_on_it_and_images_are_linked(runs, tmp_path):
    out = tmp_path / "results" / "both"
    merge_runs(runs, out)
    link = out / "restored" / "b" / "default" / "seed0" / "test-set"
    assert link.is_symlink() and not os.path.isabs(os.readlink(link))
    assert len(list(link.rglob("*.png"))) == 6
    write_leaderboard(out)
    write_comparisons(out)
    page = build_report(out).parent / "images" / "test-set--rain--photo00.html"
    assert page.read_text().count("restored/") >= 2
    merge_runs(runs, out)  # again: an earlier merge is replaced
    assert not (out / "report").exists()


def test_seeds_of_several_machines_are_seeds_of_one_method(runs, tmp_path):
    make_run(runs[1], 3, ("rain", "haze"), [card("a", gain=2.0)], side=12)
    for name in ("scores.csv", "cost.csv"):
        edit(runs[1], name, lambda t: t.assign(seed="1"))
    out = tmp_path / "results" / "both"
    merge_runs(runs, out)
    board = write_leaderboard(out)
    assert set(board.query("method == 'a'")["n_seeds"]) == {2}


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "scores.csv",
            lambda t: t.assign(value=t["value"].where(t["method"] != "identity", "1.5")),
            r"other scores of the same: identity default seed 0 on test-set/rain/.* and 1 more",
        ),
        (
            "scores.csv",
            lambda t: t[t["protocol"] != "y-matlab"],
            r"other protocols: only one has y-matlab/psnr, y-matlab/ssim",
        ),
        (
            "images.csv",
            lambda t: t.assign(
                target_sha256=t["target_sha256"].where(t["photo"] != "p1", "f" * 64)
            ),
            r"images of other content: test-set/rain/photo01",
        ),
        ("images.csv", lambda t: t.iloc[1:], r"only one has test-set/rain/photo00"),
        (
            "images.csv",
            lambda t: pd.concat([t, t.iloc[:1]]),
            r"gpu/images\.csv has test-set/rain/photo00 twice",
        ),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_written(runs, tmp_path, name, change, message):
    edit(runs[1], name, change)
    with pytest.raises(UserError, match=message):
        merge_runs(runs, tmp_path / "results" / "both")
    assert not (tmp_path / "results" / "both").exists()


def test_other_data_and_settings_are_refused(runs, tmp_path):
    for run, checksum in zip(runs, "xy", strict=True):
        (run / "manifest.json").write_text(json.dumps({"data": {"data.dvc sha256": checksum}}))
    with pytest.raises(UserError, match=r"checksums of data\.dvc"):
        merge_runs(runs, tmp_path / "results" / "both")
    (runs[1] / "manifest.json").unlink()
    cards = json.loads((runs[1] / "methods.json").read_text())
    cards[0]["parameters"] = {"width": 64}
    (runs[1] / "methods.json").write_text(json.dumps(cards))
    with pytest.raises(UserError, match=r"identity default: parameters.width 48 or 64"):
        merge_runs(runs, tmp_path / "results" / "both")


def test_a_run_is_never_overwritten(runs, tmp_path):
    before = (runs[0] / "scores.csv").read_bytes()
    with pytest.raises(UserError, match="one of the runs"):
        merge_runs(runs, runs[0])
    other = tmp_path / "results" / "other"
    make_run(other, 1, ("rain",), side=8)
    with pytest.raises(UserError, match="is there already and is no earlier merge"):
        merge_runs(runs, other)
    assert (other / "scores.csv").exists() and (runs[0] / "scores.csv").read_bytes() == before
    (tmp_path / "results" / "empty").mkdir()
    with pytest.raises(UserError, match="is there already"):
        merge_runs(runs, tmp_path / "results" / "empty")
