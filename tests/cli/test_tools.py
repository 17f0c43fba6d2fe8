"""The verb `score` on folders: exit codes, and options that would have no effect."""

import re
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from benchmark.cli import app
from benchmark.core.errors import UserError
from benchmark.core.image_io import write_png
from benchmark.scoring.metrics import OWN


@pytest.fixture
def score(tmp_path):
    """Calls `score` for a folder with a target for a.png and b.png, of which b.png is no image."""
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    for folder in ("restored", "target"):
        (tmp_path / folder).mkdir()
        for name in ("a.png", "b.png"):
            write_png(tmp_path / folder / name, pixels)
    (tmp_path / "restored" / "b.png").write_text("a text")
    command = ["score", "--restored", str(tmp_path / "restored"), "--protocol", "rgb"]
    command += ["--out", str(tmp_path / "scores.csv")]
    return lambda *options: CliRunner().invoke(app, [*command, *map(str, options)])


def test_if_an_image_is_not_scored_it_is_an_error_and_the_table_is_written(score, tmp_path):
    done = score("--target", tmp_path / "target")
    assert done.exit_code == 1
    assert str(done.exception).startswith("1 of 2 images were not scored")
    assert "mean of 1 images" in done.stdout and "not scored: b" in done.stderr
    assert list(pd.read_csv(tmp_path / "scores.csv").status) == ["ok"] * 2 + ["failed"] * 2


def test_if_all_images_are_scored_all_is_well(score, tmp_path):
    shutil.copy(tmp_path / "restored" / "a.png", tmp_path / "restored" / "b.png")
    assert score("--target", tmp_path / "target").exit_code == 0


def test_metrics_that_need_a_target_are_not_missed_without_one(score, monkeypatch):
    row = {"image": "a", "protocol": "p", "value": 1.0, "reason": ""}
    rows = [row | {"metric": m, "status": s} for m, s in (("piqe", "ok"), ("psnr", "skipped"))]
    monkeypatch.setattr("benchmark.scoring.score.score_pairs", lambda *_: pd.DataFrame(rows))
    assert score().exit_code == 0


def test_if_no_image_is_scored_it_is_an_error_and_the_table_is_written(score, tmp_path):
    (tmp_path / "restored" / "a.png").write_text("a text")
    done = score("--target", tmp_path / "target")
    assert isinstance(done.exception, UserError)
    assert "restored' was scored" in str(done.exception)
    assert set(pd.read_csv(tmp_path / "scores.csv").status) == {"failed"}


@pytest.mark.parametrize(
    ("out", "message"),
    [("target", "target' is a folder"), ("target/a.png/scores.csv", r"a\.png' is a file")],
)
def test_a_place_that_cannot_be_written_is_refused_before_scoring(
    score, tmp_path, monkeypatch, out, message
):
    monkeypatch.setattr("benchmark.scoring.score.score_pairs", lambda *_: pytest.fail("scored"))
    done = score("--target", tmp_path / "target", "--out", tmp_path / out)
    assert isinstance(done.exception, UserError), done.output
    assert re.search(rf"^--out: .*{message}\. Name a ", str(done.exception))


def test_the_folder_of_the_table_is_made(score, tmp_path):
    (tmp_path / "restored" / "b.png").unlink()
    (tmp_path / "target" / "b.png").unlink()
    out = tmp_path / "new" / "folder" / "scores.csv"
    assert score("--target", tmp_path / "target", "--out", out).exit_code == 0
    assert out.is_file()


def test_an_expression_without_targets_is_wrong_usage(score, tmp_path):
    done = score("--pair", "(.)")
    assert done.exit_code == 2
    assert "--target" in done.stderr
    assert not (tmp_path / "scores.csv").exists()


def test_a_card_whose_target_is_not_in_the_folder_is_not_blamed(score, tmp_path):
    """The pattern of the card fits `rain-002.png`, whose target `norain-002.png` is missing."""
    restored, target = tmp_path / "restored", tmp_path / "target"
    (restored / "a.png").rename(restored / "rain-001.png")
    (restored / "b.png").unlink()
    shutil.copy(restored / "rain-001.png", restored / "rain-002.png")
    (target / "a.png").rename(target / "norain-001.png")
    done = score("--card", "rain100l", "--target", target)
    assert done.exit_code == 1, done.output
    assert "rain-002.png" in done.stderr and "does not match the card" not in done.stderr
    reasons = pd.read_csv(tmp_path / "scores.csv").query("image == 'rain-002'")["reason"]
    assert reasons.str.contains("norain-002.png").all()


@pytest.fixture
def score_by_default(tmp_path):
    """Calls `score` without --protocol for a folder with a target for a.png."""
    pixels = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    for folder in ("restored", "target"):
        write_png(tmp_path / folder / "a.png", pixels)
    folders = [f"--{name}={tmp_path / name}" for name in ("restored", "target")]
    return lambda: CliRunner().invoke(app, ["score", *folders, f"--out={tmp_path / 'scores.csv'}"])


def test_without_the_packages_of_a_run_the_protocols_that_need_none_score(
    score_by_default, tmp_path, monkeypatch
):
    needed = {"lpips-alex": "lpips", "no-reference": "pyiqa"}
    for package in needed.values():
        monkeypatch.setitem(sys.modules, package, None)
    done = score_by_default()
    assert done.exit_code == 0, done.output
    assert set(pd.read_csv(tmp_path / "scores.csv").protocol) == {"rgb", "y-matlab"}
    for protocol, package in needed.items():
        assert f"left out: the protocol {protocol} needs the package {package}" in done.stderr


def test_with_all_packages_our_own_protocols_are_the_default(score_by_default, monkeypatch):
    chosen = []

    def score_pairs(pairs, protocols):
        chosen.extend(protocols)
        row = {"image": "a", "protocol": "rgb", "metric": "psnr", "value": 1.0}
        return pd.DataFrame([row | {"status": "ok", "reason": ""}])

    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    monkeypatch.setattr("benchmark.scoring.score.score_pairs", score_pairs)
    done = score_by_default()
    assert chosen == list(OWN) and "left out" not in done.stderr


def test_a_configuration_without_its_entry_is_told_what_it_needs():
    done = CliRunner().invoke(app, ["loaders", "--config", "config/smoke.yaml"])
    assert done.exit_code == 2
    assert "--config needs --method" in done.stderr
