"""Submitted images on the board: exact scores, faults by name, and kills at any moment."""

import json
import os
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from benchmark.board.write import read_leaderboard
from benchmark.cli.app import app
from benchmark.core.checksum import checksum
from benchmark.core.errors import UserError
from benchmark.exchange import submissions
from benchmark.exchange.submit import Submission, find_files, submit
from benchmark.jobs import workflow_lock
from benchmark.jobs.collect import collect
from benchmark.report.build import build_report
from benchmark.results import schema
from benchmark.results.layout import RunFolder
from benchmark.results.schema import IMAGE
from benchmark.results.tables import (
    read_cost,
    read_images,
    read_methods,
    read_scores,
    read_set_scores,
)
from benchmark.scoring.score import score_restored
from benchmark.scoring.score_sets import score_sets
from benchmark.spec.run_config import Config
from benchmark.weather import PAIRS_VERSION
from tests.exchange.stopping import before_each_change, interrupted
from tests.synthetic_run import card, make_run

MINE = Submission("mine", "My method", "Me, 2026", "paired")
OWN = "restored/regression/default/seed0"
SCORE = [*IMAGE, "protocol", "metric"]


@pytest.fixture
def run(tmp_path):
    """A run of one method with the scores of its images by the protocols rgb and y-matlab."""
    return scored_run(tmp_path, 2, ("rain", "haze"), side=32)


def scored_run(root, photos, weathers, side):
    run = root / "results" / "demo"
    make_run(run, photos, weathers, [card("regression", gain=2.0)], side=side)
    images = read_images(run)
    rows = images[IMAGE].assign(method="regression", variant="default", seed="0", status="ok")
    files = [f"results/demo/{OWN}/{r.dataset}/{r.weather}/{r.image}.png" for r in rows.itertuples()]
    scores = score_restored(
        rows.assign(file=files, reason=""), images, root, ["rgb", "y-matlab"], as_given=True
    )
    scores.to_csv(run / "scores.csv", index=False)
    return run


def scores_of(run, method):
    scores = read_scores(run)
    return scores[scores["method"] == method].set_index(SCORE)[["value", "status", "reason"]]


def state(run):
    return {file.relative_to(run): file.read_bytes() for file in run.rglob("*") if file.is_file()}


def test_a_methods_own_images_have_its_scores_exactly(run):
    before = scores_of(run, "regression")
    assert submit(run / OWN, MINE, run) == []
    pd.testing.assert_frame_equal(scores_of(run, "mine"), before, check_like=True)
    pd.testing.assert_frame_equal(scores_of(run, "regression"), before)
    mine = read_cost(run).query("method == 'mine'")
    assert mine["seconds"].isna().all() and set(mine["reason"]) == {
        "not measured: the images were restored elsewhere"
    }
    assert set(mine["width"]) == {32}


def test_a_submission_is_scored_as_sets_if_the_run_is(tmp_path):
    run = scored_run(tmp_path, 3, ("rain",), side=64)
    images = read_images(run)
    rows = images[IMAGE].assign(method="regression", variant="default", seed="0", status="ok")
    files = [f"results/demo/{OWN}/{r.dataset}/{r.weather}/{r.image}.png" for r in rows.itertuples()]
    own = score_sets(rows.assign(file=files, reason=""), images, tmp_path, ["kernel-distance-alex"])
    own.to_csv(run / "set_scores.csv", index=False)
    submit(run / OWN, MINE, run)
    table = read_set_scores(run).set_index(["method", "left_out"])["value"]
    assert len(table) == 2 * 4
    pd.testing.assert_series_equal(table["mine"], table["regression"])
    submit(run / OWN, MINE, run)  # a second time replaces the first
    assert len(read_set_scores(run)) == 2 * 4
    table = pd.read_csv(run / "images.csv", dtype=str, keep_default_na=False)
    table.assign(input_sha256="2" * 64).to_csv(run / "images.csv", index=False)
    assert [len(part) for part in submissions.read_set_scores(run)] == [0]


def test_the_verb_puts_it_on_the_board_and_into_the_report(run, tmp_path):
    options = ["--method", "mine", "--run", str(run), "--seconds", "0.5", "--title", "My method"]
    done = CliRunner().invoke(app, ["submit", str(run / OWN), *options])
    assert done.exit_code == 0, done.output
    board = read_leaderboard(run)
    rows = board[board["weather"] == "all"].set_index("method")
    assert rows.loc["mine", "rgb/psnr"] == rows.loc["regression", "rgb/psnr"]
    assert rows.loc["mine", "rank"] == rows.loc["regression", "rank"] == "1–2"
    assert (rows.loc["mine", "seconds"], rows.loc["mine", "supervision"]) == (0.5, "not stated")
    text = (run / "leaderboard.md").read_text()
    assert "| mine ‡ |" in text and "submitted; their costs are as stated" in text
    build_report(run)
    page = (run / "report" / "images" / "test-set--rain--photo00.html").read_text()
    assert "restored/mine/default/seed0/test-set/rain/photo00.png" in page


def test_a_run_at_work_is_not_disturbed(run, monkeypatch):
    monkeypatch.setattr(workflow_lock, "who_is_at_work", lambda _: "Another workflow is at work")
    before = state(run)
    done = CliRunner().invoke(
        app, ["submit", str(run / OWN), "--method", "mine", "--run", str(run)]
    )
    assert str(done.exception) == "Another workflow is at work"
    assert state(run) == before


def test_a_run_with_test_pairs_of_another_version_is_refused(run):
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["simulation"] = {"training": [1], "test pairs": [PAIRS_VERSION + 1]}
    (run / "manifest.json").write_text(json.dumps(manifest))
    before = state(run)
    with pytest.raises(UserError, match="test pairs of version"):
        submit(run / OWN, MINE, run)
    assert state(run) == before


def test_a_later_collect_keeps_it(run):
    submit(run / OWN, MINE, run)
    before = scores_of(run, "mine")
    config = Config(
        name="demo", datasets={"test-set": {}}, train_on="photos", methods={}, discover=False
    )
    collect(config, RunFolder(run))
    pd.testing.assert_frame_equal(scores_of(run, "mine"), before)
    assert [card["method"] for card in read_methods(run)] == ["mine"]
    with pytest.raises(UserError, match=r"submissions/mine has the name of a method"):
        submissions.read(run, {"mine"})


def test_a_test_image_that_changed_since_is_a_status(run):
    submit(run / OWN, MINE, run)
    images = pd.read_csv(run / "images.csv", dtype=str, keep_default_na=False)
    images.loc[0, "target_sha256"] = "f" * 64
    images.iloc[:-1].to_csv(run / "images.csv", index=False)
    (scores,), (costs,), _ = submissions.read(run, set())
    stale = scores[scores["status"] == schema.FAILED]
    assert set(stale["image"]) == {"photo00"} and set(stale["weather"]) == {"rain"}
    assert set(stale["reason"]) == {submissions.STALE} and stale["value"].isna().all()
    assert len(scores.drop_duplicates(IMAGE)) == len(costs) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda card: [card], "Input should be a valid dictionary"),
        (lambda card: card | {"supervision": None}, "supervision: Input should be a valid string"),
        (lambda card: card | {"citation": [""]}, "citation: Input should be a valid string"),
        (lambda card: card | {"method": "../yours"}, "is the card of another method than 'mine'"),
        (
            lambda card: card | {"training_flops": 10**400},
            "training_flops: Input should be a valid number",
        ),
        (lambda card: {"method": "mine"}, "variant: Field required"),
    ],
)
def test_a_wrong_card_of_a_submission_is_named(run, change, message):
    submit(run / OWN, MINE, run)
    file = run / "submissions" / "mine" / "method.json"
    file.write_text(json.dumps(change(json.loads(file.read_text()))))
    with pytest.raises(
        UserError, match=rf"(?s)submissions/mine/method\.json:? {message}.*submit 'mine'"
    ):
        submissions.read(run, set())


def test_missing_wrong_and_broken_images_are_named_all_at_once(run, tmp_path):
    folder = shutil.copytree(run / OWN, tmp_path / "theirs")
    (folder / "test-set/rain/photo00.png").unlink()
    Image.new("RGB", (16, 32)).save(folder / "test-set/rain/photo01.png")
    (folder / "test-set/haze/photo00.png").write_bytes(b"no image")
    before = scores_of(run, "regression")
    faults = submit(folder, MINE, run)
    assert [fault.split(":")[0] for fault in faults] == [
        "test-set/rain/photo00", "test-set/rain/photo01", "test-set/haze/photo00"
    ]  # fmt: skip
    assert "no such image" in faults[0] and "is 16x32, not 32x32 pixels" in faults[1]
    mine = scores_of(run, "mine")
    assert (mine["status"] == schema.FAILED).sum() == 3 * 4
    assert mine.xs("haze", level="weather").xs("photo01", level="image")["value"].notna().all()
    pd.testing.assert_frame_equal(scores_of(run, "regression"), before)
    assert submit(run / OWN, MINE, run) == []  # the corrected images replace the submission
    assert set(scores_of(run, "mine")["status"]) == {schema.OK}


def test_a_flat_folder_where_names_are_unique(run, tmp_path):
    with pytest.raises(UserError, match=r"names such as 'photo00' come twice.*Sort them as"):
        submit(run / OWN / "test-set" / "rain", MINE, run)
    for name in ("images.csv", "scores.csv", "cost.csv"):
        table = pd.read_csv(run / name, dtype=str, keep_default_na=False)
        table[table["weather"] == "rain"].to_csv(run / name, index=False)
    assert submit(run / OWN / "test-set" / "rain", MINE, run) == []
    assert np.allclose(scores_of(run, "mine")["value"], scores_of(run, "regression")["value"])


def test_suffixes_may_be_in_upper_case(run, tmp_path):
    folder = shutil.copytree(run / OWN, tmp_path / "theirs")
    for file in [*folder.rglob("*.png")]:
        file.rename(file.with_suffix(".PNG"))
    assert submit(folder, MINE, run) == []
    assert np.allclose(scores_of(run, "mine")["value"], scores_of(run, "regression")["value"])


def test_of_several_files_of_one_image_the_png_is_taken(small, tmp_path):
    folder = tmp_path / "theirs"
    folder.mkdir()
    for suffix in (".tif", ".JPG", ".bmp", ".PNG", ".png"):  # each goes before the earlier ones
        (folder / f"photo00{suffix}").touch()
        [found] = find_files(folder, read_images(small)).values()
        assert found.suffix == suffix


@pytest.mark.parametrize(
    ("submission", "folder", "message"),
    [
        (Submission("regression"), OWN, "has a method of this name"),
        (Submission("../up"), OWN, "lower-case letters"),
        (Submission("mine", supervision="pared"), OWN, "Did you mean 'paired'"),
        (MINE, "restored", "has no image of the run, such as test-set/rain/photo00.png"),
        (MINE, "nowhere", "There is no folder"),
    ],
)
def test_a_refused_submission_changes_nothing(run, submission, folder, message):
    before = state(run)
    with pytest.raises(UserError, match=message):
        submit(run / folder, submission, run)
    assert state(run) == before


@pytest.fixture
def small(tmp_path):
    """A run of one image."""
    return scored_run(tmp_path, 1, ("rain",), side=16)


def test_an_input_that_a_camera_has_turned_has_its_upright_size(small, tmp_path):
    images, exif = read_images(small), Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (24, 16)).save(tmp_path / "data" / "turned.jpg", exif=exif)
    images.assign(input="data/turned.jpg").to_csv(small / "images.csv", index=False)
    upright, folder = Image.new("RGB", (16, 24)), tmp_path / "theirs"
    upright.save(tmp_path / images["target"][0])
    folder.mkdir()
    upright.save(folder / "photo00.png")
    assert submit(folder, MINE, small) == []


def test_an_input_that_is_too_large_is_named(small, tmp_path, monkeypatch):
    before = state(small)
    Image.new("RGB", (8, 8)).save(tmp_path / "photo00.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 16 * 16 // 2 - 1)  # Pillow reads twice as many
    with pytest.raises(UserError, match=r"An input in images\.csv: .*input/photo00\.png"):
        submit(tmp_path, MINE, small)
    assert state(small) == before


def submitted(run):
    """The submissions of a run as `collect` reads them; their images must fit their tables."""
    for name in submissions.names(run):
        table = pd.read_csv(submissions.folder_of(run, name) / "restored.csv", dtype=str)
        for row in table[table["status"] == "ok"].itertuples():
            assert checksum(run.parents[1] / row.file) == row.sha256
    scores, costs, cards = submissions.read(run, {"regression"})
    return [table.to_csv() for table in (*scores, *costs)], cards


def submit_another(run, folder):
    Image.new("RGB", (16, 16)).save(folder / "photo00.png")
    submit(folder, Submission("mine", "Another"), run)


@pytest.mark.parametrize("exists", [True, False])
def test_a_killed_submission_leaves_the_old_one_or_the_new_one(small, tmp_path, exists):
    if exists:
        submit_another(small, tmp_path)
    old, states = submitted(small), []

    def look(_):
        states.append(submitted(small))
        read_scores(small), read_cost(small), read_methods(small)  # raise no error

    with before_each_change(look):
        submit(small / OWN, MINE, small)
    new = submitted(small)
    assert all(state in (old, new) for state in states)
    assert len(states) > 20 and states[0] == old != new


def test_an_interrupted_submission_leaves_the_old_one_or_the_new_one(small, tmp_path):
    backup = tmp_path / "backup"
    submit(small / OWN, MINE, small)
    new = submitted(small)
    submit_another(small, tmp_path)
    old, number = submitted(small), 1
    shutil.copytree(small, backup, symlinks=True)
    while interrupted(lambda: submit(small / OWN, MINE, small), number):
        assert submitted(small) in (old, new)
        shutil.rmtree(small)
        shutil.copytree(backup, small, symlinks=True)
        number += 1
    assert number > 5 and submitted(small) == new


def test_an_earlier_folder_of_images_is_replaced(run):
    """A method that the run had, or a submission whose images were no link."""
    folder = run / "restored" / "mine" / "default" / "seed0" / "test-set"
    folder.mkdir(parents=True)
    (folder / "old.png").touch()
    assert submit(run / OWN, MINE, run) == []
    assert not (folder / "old.png").exists()
    assert len(list((folder / "rain").iterdir())) == 2
    link = folder.parent
    assert link.is_symlink() and not os.path.isabs(os.readlink(link))
