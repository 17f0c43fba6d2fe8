"""`retry` deletes what failed and the board, and nothing else."""

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from benchmark.cli import app
from benchmark.core.environment import PROGRAM
from benchmark.core.errors import UserError
from benchmark.core.paths import ROOT
from benchmark.jobs.retry import retry
from benchmark.results import schema
from benchmark.results.layout import RESTORED, RunFolder, units, write_csv
from benchmark.spec import config_reader

UNITS = {"identity": "ok", "unet": "timed-out", "aodnet": "out-of-memory", "prenet": "failed"}

BOARD = {"leaderboard.csv", "scores.csv"}


@pytest.fixture
def made(tmp_path):
    """A run whose entries have the statuses of UNITS, and its paths."""
    values = {
        "name": "mine", "train_on": "photos", "datasets": {"photos": {}}, "discover": False,
        "methods": {"identity": {}, "unet": {"method": "regression"}, "aodnet": {}, "prenet": {}},
    }  # fmt: skip
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(values))
    config, run = config_reader.load(tmp_path / "mine.yaml"), RunFolder(tmp_path / "run")
    for unit in units(config):
        status = UNITS[unit[0]]
        names = dict(zip(("method", "variant", "seed", "dataset"), unit, strict=True))
        image = {**names, "weather": "rain", "image": "a", "status": status}
        # If a metric failed, only the score has the status 'failed'.
        restored = {**image, "status": "ok"} if status == "failed" else image
        write_csv(pd.DataFrame([restored], columns=list(RESTORED)), run.restored(*unit))
        scores = run.scores(names["method"], names["seed"], names["dataset"])
        write_csv(pd.DataFrame([image], columns=list(schema.SCORES)), scores)
    for label, status in {"unet": "timed-out", "aodnet": "ok", "prenet": "ok"}.items():
        folder = run.training(label, 0)
        folder.mkdir(parents=True)
        (folder / "training.json").write_text(json.dumps({"status": status, "reason": "r"}))
        (folder / "checkpoint.pt").touch()
    for name in BOARD:
        (run.path / name).touch()
    return config, run


def files(run):
    return {p.relative_to(run.path).as_posix() for p in run.path.rglob("*") if p.is_file()}


TRAINING = "train/unet/seed0/training.json"
TIMED_OUT = {"restored/unet/default/seed0/photos.csv", "scores/unet/seed0/photos.csv"}
OUT_OF_MEMORY = {"restored/aodnet/default/seed0/photos.csv", "scores/aodnet/seed0/photos.csv"}
NOT_SCORED = "scores/prenet/seed0/photos.csv"


@pytest.mark.parametrize(
    ("statuses", "labels", "gone"),
    [
        ((), (), {TRAINING, *TIMED_OUT, *OUT_OF_MEMORY, NOT_SCORED}),
        (("timed-out",), (), {TRAINING, *TIMED_OUT}),
        (("timed-out", "failed"), (), {TRAINING, *TIMED_OUT, NOT_SCORED}),
        ((), ("aodnet", "identity"), OUT_OF_MEMORY),
        (("weights-missing",), (), set()),
    ],
)
def test_what_is_deleted(made, statuses, labels, gone):
    config, run = made
    before = files(run)
    removed = retry(config, run, statuses, labels)
    assert {file.relative_to(run.path).as_posix() for file in removed} == gone
    assert before - files(run) == (gone | BOARD if gone else gone)
    assert retry(config, run, statuses, labels) == removed  # they are missing now


def test_a_failed_scoring_of_sets_is_deleted(made):
    config, run = made
    config = config.model_copy(update={"protocols": ("rgb", "kernel-distance-alex")})
    for label, status in {"identity": "ok", "unet": "failed", "prenet": "skipped"}.items():
        row = {"dataset": "photos", "weather": "rain", "method": label, "status": status}
        table = pd.DataFrame([row], columns=list(schema.SET_SCORES))
        write_csv(table.assign(variant="default"), run.set_scores(label, 0, "photos"))
    removed = retry(config, run, ("failed",), ("identity", "unet"))
    assert removed == [run.set_scores("unet", 0, "photos")]
    assert run.set_scores("identity", 0, "photos").exists()


def test_the_next_workflow_counts_attempts_from_1(made):
    config, run = made
    record = run.attempts("restore", "unet", "default", "seed0", "photos")
    record.parent.mkdir(parents=True)
    record.write_text('{"attempt": 3, "job": "12"}')
    retry(config, run, ("timed-out",), ())
    assert not record.exists()


def test_nothing_is_deleted_while_a_workflow_is_at_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "benchmark.jobs.workflow_lock.who_is_at_work", lambda _: "Another workflow is at work here."
    )
    monkeypatch.setattr("benchmark.jobs.retry.retry", lambda *_: pytest.fail("it was deleted"))
    done = CliRunner().invoke(app, ["retry", "--config", str(ROOT / "config/smoke.yaml")])
    assert isinstance(done.exception, UserError) and "at work here" in str(done.exception)


def test_the_verb_says_how_to_try_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("benchmark.jobs.workflow_lock.who_is_at_work", lambda _: "")
    monkeypatch.setattr("benchmark.jobs.retry.retry", lambda *_: [Path("scores.csv")])
    config = str(ROOT / "config/smoke.yaml")
    done = CliRunner().invoke(app, ["retry", "--config", config])
    assert f"To try again: {PROGRAM} run --config {config}\n" in done.output


def test_a_missing_part_is_made_again_with_the_board(made):
    """For example after the user has deleted a damaged file."""
    config, run = made
    assert retry(config, run, (), ("identity",)) == []
    assert files(run) >= BOARD
    missing = run.scores("identity", 0, "photos")
    missing.unlink()
    assert retry(config, run, ("weights-missing",), ()) == [missing]
    assert not files(run) & BOARD


@pytest.mark.parametrize(
    ("statuses", "labels", "says"),
    [
        (("timed_out",), (), "Status 'timed_out' cannot be tried again. Did you mean 'timed-out'"),
        (("ok",), (), "Status 'ok' cannot"),
        ((), ("umet",), "Did you mean 'unet'"),
    ],
)
def test_a_wrong_choice_deletes_nothing(made, statuses, labels, says):
    config, run = made
    before = files(run)
    with pytest.raises(UserError, match=says):
        retry(config, run, statuses, labels)
    assert files(run) == before


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
@pytest.mark.parametrize(
    "name",
    [
        "restored/unet/default/seed0/photos.csv",
        TRAINING,
        "scores/identity/seed0/photos.csv",
    ],
)
def test_a_damaged_file_is_named_and_nothing_is_deleted(made, name, text):
    config, run = made
    (run.path / name).write_text(text)
    before = files(run)
    with pytest.raises(UserError, match=name):
        retry(config, run, (), ())
    assert files(run) == before


def test_a_run_that_is_not_there(made, tmp_path):
    with pytest.raises(UserError, match="nowhere is not there"):
        retry(made[0], RunFolder(tmp_path / "nowhere"), (), ())
