"""Merged runs: one board for both, errors that name what does not fit, and kills at any moment."""

import json
import os
import shutil

import pandas as pd
import pytest
from typer.testing import CliRunner

from benchmark.board.pairs import write_comparisons
from benchmark.board.score_table import ALL
from benchmark.board.uncertainty import read_uncertainty
from benchmark.board.write import read_leaderboard, write_leaderboard
from benchmark.cli.app import app
from benchmark.core.errors import UserError
from benchmark.exchange.merge import merge_runs
from benchmark.exchange.run_diff import compare
from benchmark.report.build import build_report
from benchmark.results.tables import read_sample_scores, read_set_scores
from tests.exchange.stopping import before_each_change, interrupted
from tests.synthetic_run import add_samples, add_set_scores, card, make_run

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


def test_methods_of_both_runs_are_on_one_board_with_their_devices(runs, tmp_path):
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


def test_scores_of_sets_are_merged(runs, tmp_path):
    out = tmp_path / "results" / "both"
    for run in runs:
        add_set_scores(run)
    done = CliRunner().invoke(app, ["merge", *map(str, runs), "--out", str(out)])
    assert done.exit_code == 0, done.output
    board = read_leaderboard(out)
    assert board["kernel-distance-alex/kernel-distance"].notna().all()
    assert not read_set_scores(out).duplicated().any()


def test_scores_of_samples_are_merged_each_once(runs, tmp_path):
    out = tmp_path / "results" / "both"
    for run, method in zip(runs, "ab", strict=True):
        add_samples(run, (method, "default"))
    merge_runs([*runs, runs[0]], out)
    parts = [read_sample_scores(run) for run in runs]
    pd.testing.assert_frame_equal(read_sample_scores(out), pd.concat(parts, ignore_index=True))
    write_leaderboard(out)
    assert set(read_uncertainty(out)["method"]) == {"a", "b"}


def test_later_verbs_work_on_a_merge_and_images_are_linked(runs, tmp_path):
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
            r"different scores of the same: identity default seed 0 on test-set/rain/.* and 1 more",
        ),
        (
            "scores.csv",
            lambda t: t[t["protocol"] != "y-matlab"],
            r"different protocols: only one has y-matlab/psnr, y-matlab/ssim",
        ),
        (
            "images.csv",
            lambda t: t.assign(
                target_sha256=t["target_sha256"].where(t["photo"] != "p1", "f" * 64)
            ),
            r"images of one name with different content: test-set/rain/photo01",
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


def test_other_versions_of_the_simulated_weather_are_refused(runs, tmp_path):
    for run, version in zip(runs, (1, 2), strict=True):
        known = {"simulation": {"training": [version], "test pairs": [1]}}
        (run / "manifest.json").write_text(json.dumps(known))
    with pytest.raises(UserError, match=r"training pairs of different versions .* 1 and 2"):
        merge_runs(runs, tmp_path / "results" / "both")
    assert not (tmp_path / "results" / "both").exists()


def test_a_merge_is_merged_again_and_compared(runs, tmp_path):
    for run in runs:
        known = {"simulation": {"training": [2], "test pairs": [1]}}
        (run / "manifest.json").write_text(json.dumps(known))
    both, again = (tmp_path / "results" / name for name in ("both", "again"))
    merge_runs(runs, both)
    merge_runs([both, runs[0]], again)
    compare(again, runs[1])


def test_a_run_is_never_overwritten(runs, tmp_path):
    before = (runs[0] / "scores.csv").read_bytes()
    with pytest.raises(UserError, match="one of the runs"):
        merge_runs(runs, runs[0])
    other = tmp_path / "results" / "other"
    make_run(other, 1, ("rain",), side=8)
    with pytest.raises(UserError, match="exists and is not an earlier merge"):
        merge_runs(runs, other)
    assert (other / "scores.csv").exists() and (runs[0] / "scores.csv").read_bytes() == before
    (tmp_path / "results" / "empty").mkdir()
    with pytest.raises(UserError, match="exists and is not an earlier merge"):
        merge_runs(runs, tmp_path / "results" / "empty")


def content(folder):
    """All files and links below a folder, without the time in the manifest; None if absent."""
    if not folder.is_dir():
        return None
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[path.relative_to(folder)] = os.readlink(path)
        elif path.name == "manifest.json":
            found[path.relative_to(folder)] = json.loads(path.read_text()) | {"finished": ""}
        elif path.is_file():
            found[path.relative_to(folder)] = path.read_bytes()
    return found


@pytest.fixture
def small(tmp_path):
    """Two runs of one image and one method each."""
    folders = [tmp_path / "results" / name for name in "ab"]
    for folder in folders:
        make_run(folder, 1, ("rain",), [card(folder.name)], side=8)
    return folders


@pytest.mark.parametrize("exists", [True, False])
def test_a_killed_merge_leaves_the_old_one_or_the_new_one(small, tmp_path, exists):
    out, states = tmp_path / "results" / "both", []
    if exists:
        merge_runs(small[:1] * 2, out)
    old = content(out)
    with before_each_change(lambda _: states.append(content(out))):
        merge_runs(small, out)
    new = content(out)
    assert all(state in (old, new) for state in states)
    assert len(states) > 20 and states[0] == old != new


def test_an_interrupted_merge_leaves_the_old_one_or_the_new_one(small, tmp_path):
    out, backup = tmp_path / "results" / "both", tmp_path / "backup"
    merge_runs(small, out)
    new = content(out)
    merge_runs(small[:1] * 2, out)
    old, number = content(out), 1
    shutil.copytree(out, backup, symlinks=True)
    while interrupted(lambda: merge_runs(small, out), number):
        assert content(out) in (old, new)
        shutil.rmtree(out)
        shutil.copytree(backup, out, symlinks=True)
        number += 1
    assert number > 5 and content(out) == new
